import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { SingleNode } from './membership/single-node.ts';
import type { Handlers } from './rpc/server.ts';
import { clusterView, serveClusterView } from './cluster-view.ts';

function node(name: string): SingleNode {
  return new SingleNode({
    name,
    instanceId: name,
    region: 'fra',
    address: undefined,
    version: '1',
    volumes: [],
  });
}

test('a node is drained here, another one there, and one that is not there is refused', async () => {
  const [here, there] = [node('here'), node('there')];
  let handler: Handlers['call'] | undefined;
  serveClusterView({ on: (_kind, _topic, answer) => void (handler = answer as Handlers['call']) }, there);
  const peer = {
    call: async (_topic: string, argument: unknown): Promise<unknown> =>
      await handler?.(argument, {
        caller: { node: 'here', instanceId: 'x' },
        signal: new AbortController().signal,
      }),
  };
  const view = clusterView(here, (name) => (name === 'there' ? peer : undefined));
  await view.drain('here', true);
  await view.drain('there', true);
  assert.deepEqual([here.self.isDraining, there.self.isDraining], [true, true]);
  await view.drain('there', false);
  assert.deepEqual([here.self.isDraining, there.self.isDraining], [true, false]);
  await assert.rejects(view.drain('nowhere', true), (error) => hasCode(error, 'not_found'));
  await assert.rejects(clusterView(here).drain('there', true), (error) => hasCode(error, 'not_found'));
});
