import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UserIdentity } from '#accounts';
import { collect, type ByteStream } from '#base';
import { GitRunner, type LocalAgent } from '#git';
import type { Quarantine, ReceivePackRepository, RefCommand } from '#wire';
import { git, newWorkTree } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { importRepository } from './import.ts';

const operator: UserIdentity = {
  kind: 'user',
  userId: 'operator',
  login: 'operator',
  email: 'operator@localhost',
  isAdmin: true,
  via: 'token',
  scopes: new Set(['admin']),
};

/** Remembers the processes whose output the import reads by itself. */
class WatchedRunner extends GitRunner {
  readonly pids: number[] = [];

  override start(...args: Parameters<GitRunner['start']>): ReturnType<GitRunner['start']> {
    const started = super.start(...args);
    const [command] = args;
    if (command.args[0] === 'pack-objects' && started.pid !== undefined) this.pids.push(started.pid);
    return started;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** What the import needs of an agent; `receive` gets the pack. */
function agentThat(
  receive: (pack: ByteStream) => Promise<void>,
  commands: RefCommand[],
  heads: string[],
): LocalAgent {
  const quarantine: Partial<Quarantine> = {
    receive,
    disconnected: async () => new Set(),
    commit: async (all) => {
      commands.push(...all);
      return all.map(({ name }) => ({ name, status: 'ok' }));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const receiver = {
    objectFormat: 'sha1',
    receivePolicy: { maxPackBytes: 1e9 },
    refs: async () => ({ refs: [] }),
    openQuarantine: async () => quarantine,
  } as unknown as ReceivePackRepository;
  return {
    receivePack: async () => receiver,
    uploadPack: async () => receiver,
    maintain: async () => undefined,
    setHead: async (ref: string) => void heads.push(ref),
  } as unknown as LocalAgent;
}

test('an import loses nothing of a pack that was made before anybody read it', async () => {
  const source = await newWorkTree();
  await git(['tag', 'v1'], { cwd: source });
  const runner = new WatchedRunner({ timeoutMs: 60_000 });
  const commands: RefCommand[] = [];
  const heads: string[] = [];
  const progress: string[] = [];
  let pack: Uint8Array = Buffer.alloc(0);
  const receive = async (stream: ByteStream): Promise<void> => {
    // A busy server: the process has ended, and Node has dealt with its end, before the first read.
    while (runner.pids.length === 0 || runner.pids.some(isRunning)) await turn();
    for (let turns = 0; turns < 10; turns += 1) await turn();
    pack = await collect(stream, 1e6);
  };
  await importRepository({
    identity: operator,
    agent: agentThat(receive, commands, heads),
    source: join(source, '.git'),
    policy: { runner, scratchDir: join(temporaryDirectory('scratch'), 'scratch') },
    onProgress: (text) => progress.push(text),
  });
  const head = await git(['rev-parse', 'HEAD'], { cwd: source });
  assert.deepEqual(
    commands.map(({ name, newOid }) => [name, newOid]),
    [
      ['refs/heads/main', head],
      ['refs/tags/v1', head],
    ],
  );
  assert.deepEqual(heads, ['refs/heads/main']);
  assert.equal(Buffer.from(pack.subarray(0, 4)).toString(), 'PACK');
  const target = temporaryDirectory('target');
  await git(['init', '--quiet', '--bare', target]);
  await git(['index-pack', '--stdin', '--strict'], { cwd: target, input: pack });
  assert.equal(await git(['cat-file', '-t', head], { cwd: target }), 'commit');
  assert.match(progress.join(''), /Counting objects: 100%/);
  // With a thousand refs, a line for each would bury the progress.
  assert.doesNotMatch(progress.join(''), /new (branch|tag)/);
});
