import { Command } from 'commander';
import { Client } from './client.ts';
import { findConnection } from './connection.ts';
import { print } from './terminal.ts';

export interface CommonOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** A command that talks to a running server: `--json` and `--data-dir` are the same on each. */
export function clientCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print JSON instead of text for people')
    .option('--data-dir <dir>', 'data directory of a server on this machine (./data)');
}

/** A group of commands, such as `repo`. */
export function group(name: string, description: string, commands: readonly Command[]): Command {
  const parent = new Command(name).description(description);
  for (const command of commands) parent.addCommand(command);
  return parent;
}

export async function connect(options: CommonOptions): Promise<Client> {
  return new Client(await findConnection(options.dataDir, process.env));
}

/** Prints the result: as JSON when asked for, otherwise as `human` does. */
export function output(options: CommonOptions, value: unknown, human: () => void): void {
  if (options.json === true) print(JSON.stringify(value, undefined, 2));
  else human();
}
