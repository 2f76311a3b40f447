import { toPackhorseError } from '#base';
import { createNodeContext, type NodeContext } from './node-context.ts';
import type { NodeOptions } from './options.ts';
import type { RunningNode } from './running-node.ts';

export { type NodeOptions, optionDefinitions } from './options.ts';
export { readOptions } from './read-options.ts';

/**
 * Runs one node until SIGTERM or SIGINT, then drains it. Prints exactly one line on standard
 * output, when every door answers. Resolves with the exit status of the process.
 */
export async function serve(
  options: NodeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const context = createNodeContext(options, environment);
  const { log } = context;
  const stopped = stopSignal();
  try {
    const node = await start(context);
    const doors = Object.entries(node.urls).map(([door, url]) => `${door}=${url}`);
    process.stdout.write(`packhorse ready ${doors.join(' ')}\n`);
    const signal = await stopped;
    log.info('draining', { signal });
    // Whoever asks twice does not want to wait.
    void stopSignal().then(() => process.exit(1));
    await node[Symbol.asyncDispose]();
    log.info('stopped');
    return 0;
  } catch (thrown) {
    const error = toPackhorseError(thrown);
    log.error('the node cannot run', { error });
    process.stderr.write(`packhorse: ${error.message}\n`);
    return 1;
  }
}

/** Each kind of node is loaded only where it runs: a plain directory needs no database, API or web in memory. */
async function start(context: NodeContext): Promise<RunningNode> {
  const { root } = context.options;
  if (root === undefined) return (await import('./accounts-node.ts')).startAccountsNode(context);
  return (await import('./root-node.ts')).startRootNode(context, root);
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
