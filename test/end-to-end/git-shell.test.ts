import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as } from '#test/doors';
import { git, gitFails } from '#test/git';
import { run, type RunResult } from '#test/processes';
import { newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import { RootScene } from './root-scene.ts';
import { clone, generated } from './scene.ts';

/** The SSH door of `serve --root` takes what sshd with git-shell takes. */

let scene: RootScene;
let source: string;

before(async () => {
  source = await generated();
  const real = join(temporaryDirectory('root'), 'real');
  mkdirSync(real);
  const link = join(temporaryDirectory('link'), 'git');
  symlinkSync(real, link);
  scene = await RootScene.start({ root: link });
});
after(() => scene[Symbol.asyncDispose]());

const ssh = { name: 'ssh' } as const;

async function command(text: string | undefined): Promise<RunResult> {
  const { env } = await scene.remote(ssh, join(scene.root, 'x'));
  const { host, port } = scene.packhorse.ssh;
  const words = `${env['GIT_SSH_COMMAND'] ?? 'ssh'} -p ${port} git@${host} "$@"`;
  const options = { env: { ...process.env, ...env }, input: '0000' };
  return await run('sh', ['-c', words, 'sh', ...(text === undefined ? [] : [text])], options);
}

test('a repository has a path below the root, below home and in the file system', async () => {
  const path = await scene.create(source);
  const { url, env } = await scene.remote(ssh, path);
  const base = url.slice(0, url.indexOf('/', 'ssh://'.length));
  const relative = path.slice(scene.root.length + 1);
  const expected = await git(['ls-remote', path]);
  for (const named of [`/${relative}`, `/~/${relative}`, path, `/${relative.replace(/\.git$/, '')}`]) {
    assert.equal(await git(['ls-remote', `${base}${named}`], { env }), expected, named);
  }
  for (const named of ['/~root/x', `/../${relative}`, `/..${path}`, '/etc']) {
    await gitFails(['ls-remote', `${base}${named}`], { env });
  }
});

test('a command is taken as git quotes it, and nothing else is', async () => {
  const path = await scene.create(source, join(scene.root, "it's odd!.git"));
  const remote = await scene.remote(ssh, path);
  await clone({ ...remote, url: remote.url.replace("it's odd!", 'it%27s%20odd%21') });
  assert.match(
    (await command(`git upload-pack 'it'\\''s odd'\\!'.git'`)).stdout.toString(),
    /refs\/heads\/main/,
  );
  for (const [text, message] of [
    ['ls -l /', /^fatal: unrecognized command 'ls -l \/'/m],
    ['git-upload-pack', /^fatal: bad argument/m],
    ["git-upload-pack --strict '/x'", /^fatal: bad argument/m],
    ["git-upload-pack '--help'", /^fatal: bad argument/m],
    ["git-upload-pack '/x'; id", /^fatal: unrecognized command/m],
    ["git-upload-pack '/nothing'", /^fatal: '\/nothing' does not appear to be a git repository$/m],
  ] as const) {
    const result = await command(text);
    assert.equal(result.code, 128, text);
    assert.match(result.stderr, message);
    assert.equal(result.stdout.length, 0);
  }
});

test('there is no shell', async () => {
  const result = await command(undefined);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /does not provide shell access/);
});

test('options of authorized keys are honoured, and those that are not refuse the key', async () => {
  const key = await newSshKey();
  const directory = temporaryDirectory('authorized');
  const authorizedKeys = join(directory, 'authorized_keys');
  const put = (options: string): void => writeFileSync(authorizedKeys, `${options} ${key.publicKey}\n`);
  put('restrict');
  await using limited = await RootScene.start({ authorizedKeys });
  const path = await limited.create(source);
  const { url } = await limited.remote(ssh, path);
  const env = (await limited.packhorse.knownHosts()).gitEnvironment(key);
  const listed = (): Promise<string> => git(['ls-remote', url], as({ url, env }));
  const refused = (): Promise<string> => gitFails(['ls-remote', url], as({ url, env }));
  await listed();
  put('command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"",from="127.0.0.0/8,::1"');
  await listed();
  for (const options of ['from="192.0.2.1"', 'command="/bin/backup"', 'expiry-time="20010101Z"', 'frotz']) {
    put(options);
    assert.match(await refused(), /Permission denied \(publickey\)/, options);
  }
  assert.match(limited.packhorse.log, /its forced command is not run here/);
});

for (const door of ['http', 'ssh', 'git'] as const) {
  test(`a work tree whose .git is elsewhere below the root is served over ${door}`, async () => {
    const work = join(scene.root, `work-${door}`);
    await git(['clone', '--quiet', `--separate-git-dir=${join(scene.root, `.apart-${door}`)}`, source, work]);
    const linked = join(scene.root, `linked-${door}`);
    await git(['worktree', 'add', '--quiet', '-b', 'linked', linked], { cwd: work });
    for (const path of [work, linked, join(work, '.git')]) {
      const remote = await scene.remote({ name: door }, path);
      const listed = await git(['ls-remote', '--symref', remote.url], as(remote));
      assert.equal(listed, await git(['ls-remote', '--symref', path]), path);
    }
    const remote = await scene.remote({ name: door }, linked);
    assert.equal(
      await git(['symbolic-ref', 'HEAD'], { cwd: await clone(remote) }),
      'refs/heads/linked',
      'the work tree has a HEAD of its own',
    );
    const outside = join(temporaryDirectory('outside'), 'apart');
    const other = join(scene.root, `other-${door}`);
    await git(['clone', '--quiet', `--separate-git-dir=${outside}`, source, other]);
    const elsewhere = await scene.remote({ name: door }, other);
    await gitFails(['ls-remote', elsewhere.url], as(elsewhere));
  });
}
