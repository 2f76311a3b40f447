import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { zeroOid } from '#base';
import { pusher } from '#test/disk-repository';
import { git } from '#test/git';
import { testPools } from '#test/pools';
import { randomHistory } from '#test/random-history';

test('closing waits for the reflogs that a push of many refs put off', async () => {
  const path = await randomHistory(52);
  const node = testPools();
  const agent = node.agent(path);
  const oid = await git(['rev-parse', 'HEAD'], { cwd: path });
  const names = Array.from({ length: 300 }, (_, index) => `refs/heads/many/${index}`);
  const receiver = await agent.receivePack(pusher);
  await using quarantine = await receiver.openQuarantine(new AbortController().signal);
  const commands = names.map((name) => ({ name, oldOid: zeroOid('sha1'), newOid: oid }));
  const results = await quarantine.commit(commands, { atomic: false, pushOptions: [] });
  assert.ok(results.every(({ status }) => status === 'ok'));
  assert.ok(existsSync(join(path, 'reflog-backlog')), 'they were put off');
  await node.pools.close(path);
  assert.ok(!existsSync(join(path, 'reflog-backlog')));
  for (const name of names) assert.ok(existsSync(join(path, 'logs', name)), name);
  await node.pools.drain(10_000);
});
