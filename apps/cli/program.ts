import { Command, CommanderError } from 'commander';
import { PackhorseError } from '#base';
import manifest from '../../package.json' with { type: 'json' };
import { keyCommands } from './commands/key.ts';
import { nodeCommands } from './commands/node.ts';
import { repoCommands } from './commands/repo.ts';
import { serveCommand, serveOutline } from './serve-command.ts';
import { tokenCommands } from './commands/token.ts';
import { userCommands } from './commands/user.ts';
import { volumeCommands } from './commands/volume.ts';
import { CliError } from './errors.ts';
import { say } from './terminal.ts';

/** Errors of the library go the way of all others instead of ending the process in the middle. */
function throwErrors(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(`packhorse: ${text.replace(/^error: /, '')}`),
  });
  command.showHelpAfterError('(add --help for what is possible)');
  for (const child of command.commands) throwErrors(child);
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('packhorse')
    .description('A clustered Git server, and the commands that operate it.')
    .version(manifest.version)
    .addHelpText(
      'after',
      `
Operator commands talk to a running server: the one of PACKHORSE_URL and PACKHORSE_TOKEN,
or the one on this machine whose data directory is --data-dir, PACKHORSE_DATA_DIR or ./data.`,
    );
  program.addCommand(args[0] === 'serve' ? await serveCommand() : serveOutline());
  const groups = [userCommands, tokenCommands, keyCommands, repoCommands, nodeCommands, volumeCommands];
  for (const commands of groups) program.addCommand(commands());
  throwErrors(program);
  return program;
}

/** Runs one command. Returns the exit status: 0 done, 1 failed, 2 a wrong command line. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    // Commander has written its own message, and asking for help is no error.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    if (thrown instanceof CliError) {
      say(`packhorse: ${thrown.message}`);
      return thrown.code === 'usage' ? 2 : thrown.code === 'cancelled' ? 130 : 1;
    }
    if (thrown instanceof PackhorseError || thrown instanceof RangeError) {
      say(`packhorse: ${thrown.message}`);
      return thrown instanceof RangeError || thrown.code === 'invalid_argument' ? 2 : 1;
    }
    throw thrown;
  }
}
