import { join } from 'node:path';
import { git, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { timeMs } from './git-client-rows.ts';
import { basicAuthorization } from '#test/raw-request';
import { everywhere, type Row } from './row.ts';

/** Many refs in one push: what a mirror or an import sends. */

const count = 10_000;
const refName = (index: number): string => `refs/heads/b/${index}`;

interface Prepared {
  /** A repository with one commit and all the refs. */
  readonly repository: string;
  /** The same as a request of git-receive-pack (gitprotocol-pack, "Reference Update Request"). */
  readonly request: Buffer;
}

let prepared: Promise<Prepared> | undefined;

async function prepare(): Promise<Prepared> {
  const cwd = join(temporaryDirectory('bench-refs'), 'refs.git');
  await git(['init', '--quiet', '--bare', cwd]);
  const tree = await git(['mktree'], { cwd, input: '' });
  const commit = await git(['commit-tree', '-m', 'Begin', tree], { cwd });
  const names = Array.from({ length: count }, (_, index) => refName(index));
  const creations = names.map((name) => `create ${name} ${commit}\n`);
  await git(['update-ref', '--stdin'], { cwd, input: creations.join('') });
  await git(['pack-refs', '--all'], { cwd });
  const pack = await tryGit(['pack-objects', '--stdout', '--revs', '-q'], { cwd, input: `${commit}\n` });
  const commands = names.map((name, index) => {
    const capabilities = index === 0 ? '\0report-status agent=packhorse-bench' : '';
    const text = `${'0'.repeat(40)} ${commit} ${name}${capabilities}`;
    return (text.length + 4).toString(16).padStart(4, '0') + text;
  });
  return { repository: cwd, request: Buffer.concat([Buffer.from(`${commands.join('')}0000`), pack.stdout]) };
}

/** Without the client, because git itself matches every ref with every other before it pushes over HTTP. */
export const refPush: Row = {
  id: 'ref-push',
  title: 'push of 10,000 new refs, server side',
  transports: ['http'],
  metrics: [{ name: 'total', unit: 'ms', atLeast: { http: 3 } }],
  rounds: 3,
  measure: async (contestant) => {
    const { request } = await (prepared ??= prepare());
    const url = new URL(`${await contestant.create()}/git-receive-pack`);
    const headers = {
      ...basicAuthorization(url),
      'content-type': 'application/x-git-receive-pack-request',
    };
    [url.username, url.password] = ['', ''];
    const startedMs = performance.now();
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(request) });
    const report = await response.text();
    const totalMs = performance.now() - startedMs;
    if (report.match(/ok refs\/heads\/b\//g)?.length !== count)
      throw new Error(`${contestant.name} answered ${response.status}: ${report.slice(0, 200)}`);
    return [totalMs];
  },
};

export const refPushOfClient: Row = {
  id: 'ref-push-client',
  title: 'push of 10,000 new refs, whole client',
  transports: everywhere,
  metrics: [{ name: 'total', unit: 'ms' }],
  rounds: 1,
  measure: async (contestant) => {
    const { repository: cwd } = await (prepared ??= prepare());
    const url = await contestant.create();
    const options = { cwd, env: contestant.env, timeoutMs: 600_000 };
    return [await timeMs(() => git(['push', '--quiet', '--mirror', url], options))];
  },
};
