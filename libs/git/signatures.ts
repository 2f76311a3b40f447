import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SignatureCheck } from '#wire';
import { GitProcess } from './process/git-process.ts';
import type { ConfigValues } from './repository-config.ts';

/** Which programs and keys a signature is checked with (git-config, gpg.*). */
export interface SignatureRules {
  readonly config: ConfigValues;
  /** Programs that the configuration names may be run, and not only the usual ones. */
  readonly trustPrograms: boolean;
}

const timeoutMs = 30_000;
const unchecked: SignatureCheck = { status: 'E', signer: '', key: '' };
const none: SignatureCheck = { status: 'N', signer: '', key: '' };

/** Checks a detached signature with gpg, gpgsm or ssh-keygen, as git does (gpg-interface.c). Never rejects. */
export async function verifySignature(
  { config, trustPrograms }: SignatureRules,
  payload: Buffer,
  signature: Buffer,
): Promise<SignatureCheck> {
  if (signature.length === 0) return none;
  const kind = kindOf(signature.toString('latin1', 0, 64));
  const configured =
    config.last(`gpg.${kind.format}.program`) ??
    (kind.format === 'openpgp' ? config.last('gpg.program') : undefined);
  const program = (trustPrograms ? configured : undefined) ?? kind.program;
  const directory = await mkdtemp(join(tmpdir(), 'packhorse-signature-'));
  try {
    const file = join(directory, 'signature');
    await writeFile(file, signature);
    if (kind.format === 'ssh') {
      const signers = config
        .last('gpg.ssh.allowedSignersFile')
        ?.replace(/^~(?=\/)/, process.env['HOME'] ?? '~');
      return await verifySsh(program, file, payload, signers);
    }
    const args = [...kind.args, '--status-fd=1', '--verify', file, '-'];
    return parseStatus((await run(program, args, payload)).output);
  } catch {
    return unchecked;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface SignatureKind {
  readonly format: 'openpgp' | 'x509' | 'ssh';
  readonly program: string;
  readonly args: readonly string[];
}

function kindOf(beginning: string): SignatureKind {
  if (beginning.startsWith('-----BEGIN SSH')) return { format: 'ssh', program: 'ssh-keygen', args: [] };
  if (beginning.startsWith('-----BEGIN SIGNED')) return { format: 'x509', program: 'gpgsm', args: [] };
  return { format: 'openpgp', program: 'gpg', args: ['--keyid-format=long'] };
}

async function run(
  binary: string,
  args: readonly string[],
  input: Buffer,
): Promise<{ readonly code: number | undefined; readonly output: string }> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME = '/', GNUPGHOME } = process.env;
  const environment = { PATH, HOME, LC_ALL: 'C', ...(GNUPGHOME === undefined ? {} : { GNUPGHOME }) };
  await using running = new GitProcess({
    binary,
    args,
    environment,
    stdin: 'pipe',
    stdout: 'pipe',
    timeoutMs,
  });
  let output = '';
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    // A few lines are expected; more is not looked at.
    if (output.length < 65_536) output += text;
  });
  running.stdin.end(input);
  const { code } = await running.exit;
  return { code, output };
}

const results: Readonly<Record<string, string>> = {
  GOODSIG: 'G',
  BADSIG: 'B',
  ERRSIG: 'E',
  EXPSIG: 'X',
  EXPKEYSIG: 'Y',
  REVKEYSIG: 'R',
};

/** Reads the status lines of gpg (its DETAILS file, "Format of the --status-fd output"). */
export function parseStatus(text: string): SignatureCheck {
  let found: SignatureCheck | undefined;
  for (const [, word = '', key = '', signer = ''] of text.matchAll(
    /^\[GNUPG:\] ([A-Z]+)(?: (\S+))?(?: ([^\n]*))?$/gm,
  )) {
    const status = results[word];
    if (status === undefined) continue;
    // More than one signature says nothing for sure.
    if (found !== undefined) return unchecked;
    found = { status, key, signer: word === 'ERRSIG' ? '' : signer };
  }
  return found ?? none;
}

async function verifySsh(
  program: string,
  file: string,
  payload: Buffer,
  signers: string | undefined,
): Promise<SignatureCheck> {
  if (signers === undefined) return unchecked;
  const found = await run(program, ['-Y', 'find-principals', '-f', signers, '-s', file], payload);
  const principals = found.code === 0 ? found.output.split('\n').filter((line) => line !== '') : [];
  for (const principal of principals) {
    const args = ['-Y', 'verify', '-n', 'git', '-f', signers, '-I', principal, '-s', file];
    const checked = await run(program, args, payload);
    const match = /^Good "git" signature for (.*) with .* key (\S+)$/m.exec(checked.output);
    if (checked.code === 0 && match !== null) {
      return { status: 'G', signer: match[1] ?? '', key: match[2] ?? '' };
    }
  }
  const novalidate = await run(program, ['-Y', 'check-novalidate', '-n', 'git', '-s', file], payload);
  const key = /^Good "git" signature with .* key (\S+)$/m.exec(novalidate.output)?.[1] ?? '';
  return { status: novalidate.code === 0 ? 'U' : 'B', signer: '', key };
}
