import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Oid } from '#base';
import { newBareRepository, openDiskRepository, pusher, testStorage } from '#test/disk-repository';
import { commitFiles, git, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import type { GitProcess } from '../process/git-process.ts';
import { type GitCommand, GitRunner, type GitStreams } from '../process/git-runner.ts';

/** Remembers which git commands were started. */
class CountingRunner extends GitRunner {
  readonly commands: string[] = [];

  constructor() {
    super({ timeoutMs: 60_000 });
  }

  override start(command: GitCommand, streams: GitStreams): GitProcess {
    this.commands.push(command.args[0] ?? '');
    return super.start(command, streams);
  }
}

for (const format of ['sha1', 'sha256'] as const) {
  for (const smallPackBytes of [0, 1 << 20]) {
    const kind = smallPackBytes === 0 ? 'large' : 'small';
    test(`ancestry is found across a ${kind} ${format} quarantine and its repository, without asking git`, async () => {
      const bare = await newBareRepository(format);
      const work = join(temporaryDirectory('work'), 'work');
      await git(['init', '--quiet', `--object-format=${format}`, work]);
      await commitFiles(work, { a: 'before' });
      const first = await git(['rev-parse', 'HEAD'], { cwd: work });
      await git(['push', '--quiet', bare, 'main'], { cwd: work });
      const commits: Oid[] = [];
      for (let count = 0; count < 30; count += 1) {
        // Messages that are so much alike are stored as deltas.
        const message = `${'The same words, again and again. '.repeat(30)}${count}`;
        await git(['commit', '--quiet', '--allow-empty', '-m', message], { cwd: work });
        commits.push(await git(['rev-parse', 'HEAD'], { cwd: work }));
      }
      const [second = '', last = ''] = [commits[0], commits.at(-1)];
      await git(['checkout', '--quiet', first], { cwd: work });
      const aside = await commitFiles(work, { a: 'aside' });
      const packed = await tryGit(
        ['pack-objects', '--stdout', '--revs', '-q', '--thin', '--delta-base-offset'],
        {
          cwd: work,
          input: `${last}\n${aside}\n^${first}\n`,
        },
      );
      assert.equal(packed.code, 0, packed.stderr);
      const runner = new CountingRunner();
      const storage = testStorage({ git: runner }, { smallPackBytes });
      const receiver = await (await openDiskRepository(bare, 'owned', storage)).receivePack(pusher);
      await using quarantine = await receiver.openQuarantine(new AbortController().signal);
      async function* pack(): AsyncGenerator<Uint8Array> {
        yield packed.stdout;
      }
      await quarantine.receive(pack(), { maxPackBytes: 1 << 30, clientShallows: [] });
      const before = runner.commands.length;
      assert.equal(await quarantine.isAncestor(first, last), true);
      assert.equal(await quarantine.isAncestor(second, last), true);
      assert.equal(await quarantine.isAncestor(first, aside), true);
      assert.equal(await quarantine.isAncestor(last, last), true);
      assert.equal(await quarantine.isAncestor(last, first), false);
      assert.equal(await quarantine.isAncestor(second, aside), false);
      assert.equal(await quarantine.isAncestor(aside, last), false);
      assert.deepEqual(runner.commands.slice(before), []);
    });
  }
}
