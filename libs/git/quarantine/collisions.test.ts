import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode, zeroOid } from '#base';
import { newBareRepository, openDiskRepository, pusher, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { shattered } from '#test/shattered';
import type { RawObject } from '../objects/raw.ts';
import { CollisionDetector } from '../sha1/collision-detector.ts';
import { refuseCollisions } from './collisions.ts';
import { indexFailure } from './index-pack.ts';

const oid = '12'.repeat(20);

test('an object of a collision attack is refused, and is named', () => {
  const objects = new Map<string, RawObject>([
    ['34'.repeat(20), { kind: 'tree', bytes: Buffer.alloc(0) }],
    [oid, { kind: 'blob', bytes: shattered[0] ?? Buffer.alloc(0) }],
  ]);
  // No object of such an attack is known: its blocks would have to be made for the header of an object.
  const withoutHeader = (_: Buffer, content: Buffer): string | undefined =>
    new CollisionDetector().update(content).finish();
  assert.throws(
    () => refuseCollisions(objects, withoutHeader),
    (error) => {
      assert.ok(hasCode(error, 'invalid_argument'));
      assert.equal(error.message, `SHA1 appears to be part of a collision attack: ${oid}`);
      return true;
    },
  );
  refuseCollisions(objects);
});

test('what git says of such an object is passed on', () => {
  const stderr = `fatal: SHA1 appears to be part of a collision attack: ${oid}\n`;
  const failure = indexFailure({ code: 128, signal: undefined, stderr, stopped: undefined }, 1, 1);
  assert.ok(hasCode(failure, 'invalid_argument'));
  assert.equal(failure.message, `SHA1 appears to be part of a collision attack: ${oid}`);
});

describe('the files of the published collision, whose blobs have different ids, come in', () => {
  for (const mode of ['owned', 'shared'] as const) {
    for (const smallPackBytes of [0, 1 << 20]) {
      test(`to a repository that is ${mode}, ${smallPackBytes === 0 ? 'with' : 'without'} git`, async () => {
        const bare = await newBareRepository();
        const work = await newWorkTree();
        const [one = '', other = ''] = shattered;
        const tip = await commitFiles(work, { one, other });
        assert.notEqual(
          await git(['rev-parse', 'HEAD:one'], { cwd: work }),
          await git(['rev-parse', 'HEAD:other'], { cwd: work }),
        );
        const args = ['pack-objects', '--stdout', '--revs', '-q'];
        const packed = await tryGit(args, { cwd: work, input: `${tip}\n` });
        const repository = await openDiskRepository(bare, mode, testStorage({}, { smallPackBytes }));
        const receiver = await repository.receivePack(pusher);
        await using quarantine = await receiver.openQuarantine(new AbortController().signal);
        async function* pack(): AsyncGenerator<Uint8Array> {
          yield packed.stdout;
        }
        await quarantine.receive(pack(), { maxPackBytes: 1 << 30, clientShallows: [] });
        const command = { name: 'refs/heads/main', oldOid: zeroOid('sha1'), newOid: tip };
        const [result] = await quarantine.commit([command], { atomic: true, pushOptions: [] });
        assert.equal(result?.status, 'ok');
        await fsck(bare);
      });
    }
  }
});
