import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli } from '#test/cli';
import { git, gitFails, newWorkTree, refsOf } from '#test/git';
import { Packhorse } from '#test/packhorse';
import { newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import { generated } from './scene.ts';

/** The operator's commands against a real server, as the operator and as an ordinary user. */

let server: Packhorse;
let source: string;

before(async () => {
  [server, source] = await Promise.all([Packhorse.start(), generated()]);
});
after(() => server[Symbol.asyncDispose]());

/** Runs a command as the owner of `token`; returns its exit status and what it said. */
async function asUser(token: string, args: readonly string[], input = ''): Promise<[number | null, string]> {
  const env = { PACKHORSE_URL: server.httpUrl, PACKHORSE_TOKEN: token };
  const { code, stdout, stderr } = await cli(args, { env, input });
  return [code, stdout + stderr];
}

async function json<Value>(...args: readonly string[]): Promise<Value> {
  return JSON.parse(await server.cli([...args, '--json'])) as Value;
}

test('from an empty server to a first push', async () => {
  const { stderr } = await server.tryCli(['user', 'list']);
  assert.match(stderr, /packhorse user create/);
  await server.cli(['user', 'create', 'ada', '--email', 'ada@example.org', '--password-stdin'], {
    input: 'correct horse battery\n',
  });
  const key = await newSshKey();
  const added = await server.cli(['key', 'add', 'ada'], { input: key.publicKey });
  assert.match(added, /^Added SHA256:\S+ \(.*\) to ada\.$/);
  const [known] = await json<{ fingerprint: string }[]>('key', 'list', 'ada');
  assert.ok(added.includes(known?.fingerprint ?? 'no fingerprint'));
  const token = await server.cli(['token', 'create', 'ada', '--scope', 'repo:write', '--expires', '90d']);
  await server.cli(['repo', 'create', 'ada/hello', '--description', 'First']);
  const work = await newWorkTree();
  const url = server.httpUrl.replace('//', `//ada:${token}@`);
  await git(['push', '--quiet', `${url}/ada/hello.git`, 'main'], { cwd: work });
  const info = await json<Record<string, unknown>>('repo', 'info', 'ada/hello');
  assert.deepEqual(
    [info['headOid'], info['defaultBranch'], info['refs'], info['description'], info['visibility']],
    [await git(['rev-parse', 'HEAD'], { cwd: work }), 'main', 1, 'First', 'public'],
  );
  assert.ok(existsSync(await server.repositoryPath('ada/hello')));
  const [listed] = await json<{ lastUsedAt: string | null }[]>('token', 'list', 'ada');
  assert.notEqual(listed?.lastUsedAt, undefined);
});

test('the actors of an open repository are listed, with what a clone asked of them', async () => {
  const { id } = await json<{ id: string }>('repo', 'info', 'ada/hello');
  const observe = () =>
    json<{
      readonly totals: { readonly live: number };
      readonly repositories: { readonly pools: number; readonly openHandles: number };
      readonly memory: { readonly rssBytes: number };
      readonly actors: readonly { readonly path: string; readonly kind: string; readonly handled: number }[];
    }>('node', 'actors', '--sort', 'handled');
  const handled = ({ actors }: Awaited<ReturnType<typeof observe>>): number =>
    actors
      .filter(({ path }) => path.startsWith(`repositories/${id}/`))
      .reduce((sum, actor) => sum + actor.handled, 0);
  const before = await observe();
  const clone = join(temporaryDirectory('clone'), 'hello');
  await git(['clone', '--quiet', `${server.httpUrl}/ada/hello.git`, clone]);
  const cloned = await observe();
  const pool = cloned.actors.find(({ path }) => path === `repositories/${id}`);
  assert.equal(pool?.kind, 'repository-pool');
  assert.ok(handled(cloned) > handled(before), `${handled(cloned)} after ${handled(before)}`);
  assert.equal(cloned.totals.live, cloned.actors.length);
  assert.equal(cloned.repositories.pools, 1);
  assert.ok(cloned.repositories.openHandles > 0 && cloned.memory.rssBytes > 0);
});

test('a repository is imported from a path, with its refs and its default branch', async () => {
  await server.cli(['user', 'create', 'bob', '--email', 'bob@example.org', '--password-stdin'], {
    input: 'correct horse battery\n',
  });
  const { code, stderr } = await server.tryCli(['repo', 'import', source, 'bob/copy', '--private']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Created bob\/copy\.\n/);
  assert.match(stderr, /100%/);
  assert.equal(await refsOf(await server.repositoryPath('bob/copy')), await refsOf(source));
  assert.equal(await server.cli(['repo', 'verify', 'bob/copy']), 'bob/copy is sound.');
  const graph = join(await server.repositoryPath('bob/copy'), 'objects/info/commit-graph');
  assert.ok(existsSync(graph), 'the first push after an import finds one');
  const again = await server.tryCli(['repo', 'import', source, 'bob/copy']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /packhorse: .*empty/);
});

test('maintenance is forced, shown, and leaves a sound repository', async () => {
  await server.cli(['repo', 'import', source, 'bob/maintained']);
  const printed = await server.tryCli(['repo', 'maintain', 'bob/maintained']);
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(printed.stdout.toString(), /^Maintained bob\/maintained: /);
  assert.match(printed.stderr, /Packing what branches and tags reach/);
  const info = await json<{ maintenance: { bitmap: string; commitsOutsideGraph: number } }>(
    'repo',
    'info',
    'bob/maintained',
  );
  assert.deepEqual([info.maintenance.bitmap, info.maintenance.commitsOutsideGraph], ['pack', 0]);
  assert.equal(await server.cli(['repo', 'verify', 'bob/maintained']), 'bob/maintained is sound.');
});

test('a source that is no repository leaves an empty one behind, and says so', async () => {
  const nothing = temporaryDirectory('nothing');
  const { code, stderr } = await server.tryCli(['repo', 'import', nothing, 'bob/nothing']);
  assert.equal(code, 1);
  assert.match(stderr, /packhorse: .+\(bob\/nothing stays as it was created/);
  assert.equal((await json<{ refs: number }>('repo', 'info', 'bob/nothing')).refs, 0);
  const missing = await server.tryCli(['repo', 'import', join(nothing, 'missing'), 'bob/missing']);
  assert.equal(missing.code, 2);
  const info = await server.tryCli(['repo', 'info', 'bob/missing']);
  assert.match(info.stderr, /packhorse: .*repository/i);
});

test('the flaws of old histories are no problems', async () => {
  const work = await newWorkTree();
  const head = await git(['rev-parse', 'HEAD'], { cwd: work });
  // As the first versions of git made them: nobody has signed for the tag.
  const tag = await git(['hash-object', '-t', 'tag', '-w', '--stdin', '--literally'], {
    cwd: work,
    input: `object ${head}\ntype commit\ntag v0.99\n\nOld\n`,
  });
  await git(['update-ref', 'refs/tags/v0.99', tag], { cwd: work });
  await server.cli(['repo', 'import', join(work, '.git'), 'bob/old']);
  assert.equal(await server.cli(['repo', 'verify', 'bob/old']), 'bob/old is sound.');
});

test('damage on disk is told by verify', async () => {
  await server.cli(['repo', 'import', source, 'bob/damaged']);
  const path = await server.repositoryPath('bob/damaged');
  const tree = await git(['rev-parse', 'HEAD^{tree}'], { cwd: path });
  // Pointing a branch at a tree breaks what every Git expects of it, without touching a pack.
  await git(['update-ref', '--no-deref', 'refs/tags/odd', tree], { cwd: path });
  const sound = await server.tryCli(['repo', 'verify', 'bob/damaged']);
  assert.equal(sound.code, 0, sound.stderr);
  const ref = join(path, 'refs/heads/broken');
  await git(['update-ref', 'refs/heads/broken', 'HEAD'], { cwd: path });
  assert.ok(existsSync(ref));
  writeFileSync(ref, `${'1'.repeat(40)}\n`);
  const { code, stdout, stderr } = await server.tryCli(['repo', 'verify', 'bob/damaged', '--json']);
  assert.equal(code, 1, stderr);
  const { problems } = JSON.parse(stdout.toString()) as { readonly problems: readonly string[] };
  assert.ok(
    problems.some((problem) => problem.includes('broken')),
    problems.join('\n'),
  );
});

test('a user manages what is theirs with their own token, and nothing else', async () => {
  await server.cli(['user', 'create', 'carol', '--email', 'carol@example.org', '--password-stdin'], {
    input: 'correct horse battery\n',
  });
  const token = await server.createToken('carol', 'account', '--scope', 'repo:write');
  const narrow = await server.createToken('carol', 'repo:read');
  assert.equal((await asUser(token, ['repo', 'create', 'carol/own', '--private']))[0], 0);
  assert.equal((await asUser(token, ['repo', 'edit', 'carol/own', '--name', 'mine']))[0], 0);
  assert.equal((await asUser(token, ['repo', 'grant', 'carol/mine', 'ada', 'reader']))[0], 0);
  assert.equal((await asUser(token, ['key', 'list', 'carol']))[0], 0);
  assert.deepEqual(
    await asUser(narrow, ['repo', 'list', '--owner', 'carol', '--json']).then(([code]) => code),
    0,
  );
  for (const [by, args, message] of [
    [token, ['user', 'create', 'eve', '--email', 'e@example.org', '--password-stdin'], /administrator/],
    [token, ['token', 'create', 'carol', '--scope', 'admin'], /administrator/],
    [token, ['token', 'list', 'ada'], /not for you/],
    [token, ['repo', 'create', 'ada/foreign'], /packhorse: /],
    [token, ['repo', 'info', 'bob/copy'], /packhorse: /],
    [token, ['repo', 'delete', 'ada/hello', '--yes'], /packhorse: /],
    [token, ['repo', 'import', source, 'carol/path'], /packhorse: /],
    [narrow, ['repo', 'create', 'carol/more'], /packhorse: /],
    [narrow, ['repo', 'delete', 'carol/mine', '--yes'], /packhorse: /],
    [narrow, ['key', 'remove', 'carol', 'x'], /scope "account"/],
    ['nonsense', ['repo', 'list'], /Check PACKHORSE_TOKEN/],
  ] as const) {
    const [code, said] = await asUser(by, args, 'correct horse battery\n');
    assert.equal(code, 1, `${args.join(' ')}: ${said}`);
    assert.match(said, message, args.join(' '));
  }
  const listed = await json<{ repository: string }[]>('repo', 'list');
  const names = new Set(listed.map(({ repository }) => repository));
  assert.ok(names.has('carol/mine') && names.has('ada/hello'));
  assert.ok(!names.has('ada/foreign') && !names.has('carol/more'));
});

test('what is private looks the same as what is not there', async () => {
  const token = await server.createToken('carol', 'repo:read');
  const [, hidden] = await asUser(token, ['repo', 'info', 'bob/copy']);
  const [, missing] = await asUser(token, ['repo', 'info', 'bob/none']);
  assert.equal(hidden, missing);
});

test('a deleted repository is gone, with its bytes', async () => {
  await server.cli(['repo', 'import', source, 'bob/gone']);
  const path = await server.repositoryPath('bob/gone');
  assert.equal(await server.cli(['repo', 'delete', 'bob/gone', '--yes']), 'Deleted bob/gone.');
  assert.equal(existsSync(path), false);
  assert.match(await gitFails(['ls-remote', `${server.httpUrl}/bob/gone.git`]), /fatal/);
  await server.cli(['repo', 'create', 'bob/gone']);
  assert.equal((await json<{ refs: number }>('repo', 'info', 'bob/gone')).refs, 0);
});

test('a revoked token is useless at once', async () => {
  const token = await server.createToken('ada', 'repo:read', '--name', 'short');
  // A private one: what is public can be read with any login, or none.
  await server.createRepository('ada/private', { private: true });
  const url = `${server.httpUrl.replace('//', `//ada:${token}@`)}/ada/private.git`;
  await git(['ls-remote', url]);
  const tokens = await json<{ id: string; name: string }[]>('token', 'list', 'ada');
  const { id } = tokens.find(({ name }) => name === 'short') ?? assert.fail();
  await server.cli(['token', 'revoke', 'ada', id]);
  assert.match(await gitFails(['ls-remote', url]), /Authentication failed|401|403/);
});

test('the commands find the server by its data directory until it stops', async () => {
  const dataDir = join(temporaryDirectory('data'), 'data');
  const other = await Packhorse.start({ dataDir });
  const { url } = JSON.parse(readFileSync(join(dataDir, 'admin.json'), 'utf8')) as { readonly url: string };
  assert.equal(url, other.httpUrl);
  assert.equal((await cli(['repo', 'list', '--data-dir', dataDir])).code, 0);
  await other[Symbol.asyncDispose]();
  const { code, stderr } = await cli(['repo', 'list', '--data-dir', dataDir]);
  assert.equal(code, 1);
  assert.match(stderr, /No server is running here .* Start one with "npx packhorse serve"/);
});

test('serve says what is wrong with its options before it does anything', async () => {
  for (const [args, message] of [
    [['--http-port', 'many'], /--http-port must be a port number/],
    [['--nonsense'], /unknown option/],
    [['--anonymous-push'], /--root/],
    [['extra'], /too many arguments/],
  ] as const) {
    const { code, stdout, stderr } = await cli(['serve', ...args]);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
  const help = await cli(['serve', '--help']);
  assert.match(help.stdout, /--data-dir <dir>(.|\n)*PACKHORSE_DATA_DIR/);
});
