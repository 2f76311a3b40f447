import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { collect } from '#base';
import { CliError, usageError } from './errors.ts';

/** Longest secret or key that is read from standard input. */
const maxInputBytes = 64 * 1024;

/** Text of others without what would move the cursor, change colours or ring the bell. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** Results go to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What is said beside the result goes to standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** All of standard input. Throws a usage error when there is nothing. */
export async function readInput(what: string): Promise<string> {
  if (process.stdin.isTTY) say(`Reading ${what} from the terminal; end with Ctrl-D.`);
  const text = (await collect(process.stdin, maxInputBytes)).toString('utf8');
  if (text.trim() === '') throw usageError(`Standard input has no ${what}.`);
  return text;
}

/** One line from the terminal. Throws `cancelled` on Ctrl-C and at the end of input. */
async function ask(
  output: NodeJS.WritableStream,
  put: (lines: Interface, signal: AbortSignal) => Promise<string>,
): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  const cancelled = new AbortController();
  const cancel = (): void => cancelled.abort();
  lines.once('SIGINT', cancel).once('close', cancel);
  try {
    return await put(lines, cancelled.signal);
  } catch (cause) {
    process.stderr.write('\n');
    throw new CliError('cancelled', 'Cancelled.', cause);
  } finally {
    lines.removeListener('close', cancel).close();
  }
}

/** Asks for a secret without showing what is typed. */
async function askSecret(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const secret = await ask(nowhere, (lines, signal) => {
    // Only now: the interface has ended the terminal's own echo, so what is typed early is not shown.
    process.stderr.write(question);
    return lines.question('', { signal });
  });
  process.stderr.write('\n');
  return secret;
}

/** Yes only when somebody types it. */
export async function confirm(question: string): Promise<boolean> {
  const answer = await ask(process.stderr, (lines, signal) =>
    lines.question(`${question} [y/N] `, { signal }),
  );
  return /^y(es)?$/i.test(answer.trim());
}

/** A new password: one line of standard input, or asked for twice. */
export async function newPassword(fromInput: boolean): Promise<string> {
  if (fromInput) {
    const [line = ''] = (await readInput('password')).split(/\r?\n/, 1);
    if (line === '')
      throw usageError('The first line of standard input is empty: it has to be the password.');
    return line;
  }
  if (!canAsk()) throw usageError('There is nobody to ask for the password: use --password-stdin.');
  const password = await askSecret('Password: ');
  if (password === '') throw usageError('The password is empty.');
  if (password !== (await askSecret('Again: '))) throw usageError('The two passwords are not the same.');
  return password;
}
