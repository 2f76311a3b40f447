import { once } from 'node:events';
import { basename, resolve } from 'node:path';
import { openVolume } from '#git';
import { advertiseReceivePack, type Conversation, serveReceivePack } from '#wire';
import { pusher, testStorage } from './disk-repository.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { plainOptions } from './plain-doors.ts';
import { testPools } from './pools.ts';

/**
 * `node killed-receive-pack.ts MODE STEP PATH`: what `git push --receive-pack` starts, a server for one
 * push on its standard streams. It is killed with -9 at step STEP of what it does on the disk; with
 * STEP 0 it lives. It says on standard
 * error which process it is and, if it comes to its end, which steps there were.
 */

const [mode, step = '', path = ''] = process.argv.slice(2);
const gitDir = resolve(path);
const disk = new FaultyDisk(step === '0' ? undefined : { at: Number(step) - 1, kind: 'kill' });

async function serve(): Promise<void> {
  await using pools = testPools({}, { storage: testStorage({ disk }) });
  const location = {
    id: basename(gitDir, '.git'),
    path: gitDir,
    mode: mode === 'owned' ? mode : 'shared',
  } as const;
  const repository = await pools.pools.agent(location).receivePack(pusher);
  const conversation: Conversation = {
    input: process.stdin,
    output: {
      async write(...chunks) {
        let hasRoom = true;
        for (const chunk of chunks) hasRoom = process.stdout.write(chunk);
        if (!hasRoom) await once(process.stdout, 'drain');
      },
    },
    version: 0,
    stateless: false,
    signal: new AbortController().signal,
  };
  await advertiseReceivePack(repository, conversation, plainOptions);
  await serveReceivePack(repository, conversation, plainOptions);
}

process.stderr.write(`process ${process.pid}\n`);
if (mode === 'owned') {
  await using _volume = await openVolume(resolve(gitDir, '../../../..'), { disk });
  await serve();
} else await serve();
process.stderr.write(`The server lived.\n${disk.steps.map((each) => `step ${each}\n`).join('')}`);
// It ends when nothing is left to do, as a server does: `process.exit` does not wait for libgit2's threads.
process.stdin.destroy();
