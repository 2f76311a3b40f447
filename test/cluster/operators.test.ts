import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestCluster } from '#test/cluster';
import { waitUntil } from '#test/wait';

/** What an operator sees and says, on one node about another one. */

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.start('fra', 'iad');
  await cluster.node(0).createPerson('ada');
});
after(() => cluster[Symbol.asyncDispose]());

interface Node {
  readonly name: string;
  readonly region: string;
  readonly isSelf: boolean;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly address: string;
  readonly volumes: readonly { readonly id: string; readonly freeBytes: number }[];
}

async function nodes(index: number): Promise<readonly Node[]> {
  return JSON.parse(await cluster.node(index).cli(['node', 'list', '--json'])) as Node[];
}

/** The node whose disk has the repository. */
async function home(name: string): Promise<number> {
  const found = await Promise.allSettled(cluster.nodes.map((node) => node.repositoryPath(`ada/${name}`)));
  return found.findIndex(({ status }) => status === 'fulfilled');
}

test('every node lists all nodes and their volumes', async () => {
  for (const index of [0, 1]) {
    const seen = await nodes(index);
    assert.deepEqual(
      seen.map(({ name, region, isSelf, isAlive, isDraining }) => [
        name,
        region,
        isSelf,
        isAlive,
        isDraining,
      ]),
      [
        ['node-fra', 'fra', index === 0, true, false],
        ['node-iad', 'iad', index === 1, true, false],
      ],
    );
    assert.ok(seen.every(({ volumes, address }) => volumes.length === 1 && /:\d+$/.test(address)));
    const list = await cluster.node(index).cli(['volume', 'list', '--json']);
    const volumes = JSON.parse(list) as {
      readonly id: string;
      readonly node: string;
      readonly freeBytes: number;
    }[];
    assert.deepEqual(volumes.map(({ node }) => node).sort(), ['node-fra', 'node-iad']);
    assert.ok(volumes.every(({ freeBytes }) => freeBytes > 0));
    assert.equal((await fetch(`${cluster.node(index).httpUrl}/readyz`)).status, 200);
  }
});

test('a repository goes to the region that is wished for, and not to a node that is drained', async () => {
  await cluster.node(0).cli(['repo', 'create', 'ada/overseas', '--region', 'iad']);
  await cluster.node(0).cli(['repo', 'create', 'ada/near']);
  assert.deepEqual([await home('overseas'), await home('near')], [1, 0]);

  assert.match(await cluster.node(0).cli(['node', 'drain', 'node-iad']), /Nothing new is put on node-iad/);
  await waitUntil('both know', async () =>
    (await Promise.all([nodes(0), nodes(1)])).every((seen) => seen[1]?.isDraining === true),
  );
  await cluster.node(1).cli(['repo', 'create', 'ada/elsewhere', '--region', 'iad']);
  assert.equal(await home('elsewhere'), 0);
  assert.match(await cluster.node(1).cli(['repo', 'verify', 'ada/overseas']), /./, 'what is there is served');

  await cluster.node(1).cli(['node', 'drain', 'node-iad', '--end']);
  await waitUntil('both know', async () =>
    (await Promise.all([nodes(0), nodes(1)])).every((seen) => seen[1]?.isDraining === false),
  );
  await cluster.node(0).cli(['repo', 'create', 'ada/again', '--region', 'iad']);
  assert.equal(await home('again'), 1);
});

test('what one node changes about a repository, the others see at once', async () => {
  await cluster.node(0).cli(['repo', 'create', 'ada/secret', '--private']);
  const url = `${cluster.node(1).httpUrl}/ada/secret.git/info/refs?service=git-upload-pack`;
  assert.equal((await fetch(url)).status, 401);
  await cluster.node(0).cli(['repo', 'edit', 'ada/secret', '--public']);
  await waitUntil('the other node knows', async () => (await fetch(url)).status === 200);
});

test('a node that dies is shown as gone, and one that leaves is not shown', async () => {
  await cluster.node(1).kill9();
  await waitUntil('its lease is taken', async () => (await nodes(0))[1]?.isAlive === false);
  assert.match(await cluster.node(0).cli(['volume', 'list']), /node-iad +iad +gone +- +-/);
  await cluster.node(1).restart();
  await waitUntil('it is back', async () => (await nodes(0))[1]?.isAlive === true);
  await cluster.node(1).stop();
  await waitUntil('it left', async () => (await nodes(0)).length === 1);
});
