import { Command } from 'commander';

const description = 'run a node: the Git server itself';

/** Named in the help; the options come with the server, which is loaded only to be run. */
export function serveOutline(): Command {
  return new Command('serve').description(description);
}

/** `serve` with all its options; each is an environment variable too. */
export async function serveCommand(): Promise<Command> {
  const { optionDefinitions, readOptions, serve } = await import('../node/serve.ts');
  const command = new Command('serve').description(description);
  for (const { flags, variable, fallback, description: text } of Object.values(optionDefinitions)) {
    const named = fallback === undefined || fallback === 'false' ? '' : `, default ${fallback}`;
    command.option(flags, `${text} (${variable}${named})`);
  }
  return command.action(async (flags: Parameters<typeof readOptions>[0]) => {
    process.exitCode = await serve(readOptions(flags, process.env), process.env);
  });
}
