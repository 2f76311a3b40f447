import { toPackhorseError } from '#base';
import { startAccountsNode } from './accounts-node.ts';
import { createNodeContext } from './node-context.ts';
import type { NodeOptions } from './options.ts';
import { startRootNode } from './root-node.ts';

export { optionDefinitions, readOptions, type NodeOptions } from './options.ts';

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
    const node =
      options.root === undefined
        ? await startAccountsNode(context)
        : await startRootNode(context, options.root);
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

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
