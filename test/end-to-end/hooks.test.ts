import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { commitFiles, git, gitFails, newWorkTree, startGit, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import { rootDoors, RootScene } from './root-scene.ts';

/** With `--hooks` the hooks of a repository run as git-receive-pack runs them (githooks). */

const zero = '0'.repeat(40);
let scene: RootScene;

before(async () => {
  scene = await RootScene.start({
    serveArguments: ['--hooks'],
    env: { PACKHORSE_GIT_HOOK_TIMEOUT_MS: '20000' },
  });
});
after(() => scene[Symbol.asyncDispose]());

interface Place extends Remote {
  readonly path: string;
  /** A clone with one commit that the server does not have. */
  readonly work: string;
  /** Where hooks leave notes. */
  readonly notes: string;
}

for (const door of rootDoors) {
  const place = async (): Promise<Place> => {
    const path = await scene.create();
    const work = await newWorkTree();
    const remote = await scene.remote(door, path);
    await git(['remote', 'add', 'origin', remote.url], { cwd: work });
    await git(['push', '--quiet', path, 'main:main', 'main:old'], { cwd: work });
    await git(['fetch', '--quiet', 'origin'], as(remote, { cwd: work }));
    await commitFiles(work, { a: 'a\n' });
    return { path, work, notes: temporaryDirectory('notes'), ...remote };
  };
  const hook = (at: Place, name: string, script: string, directory = join(at.path, 'hooks')): void => {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, name);
    writeFileSync(file, script.startsWith('#!') ? script : `#!/bin/sh\nnotes=${at.notes}\n${script}\n`);
    chmodSync(file, 0o755);
  };
  const noted = (at: Place, name: string): string => readFileSync(join(at.notes, name), 'utf8');
  const push = async (at: Place, ...args: readonly string[]): Promise<string> =>
    (await pushed(at, args, 0)).said;
  const pushFails = async (at: Place, ...args: readonly string[]): Promise<string> =>
    (await pushed(at, args, 1)).said;
  const pushed = async (
    at: Place,
    args: readonly string[],
    code: number,
  ): Promise<{ readonly said: string }> => {
    const result = await tryGit(['push', '--porcelain', 'origin', ...args], as(at, { cwd: at.work }));
    const said = result.stderr + result.stdout.toString();
    assert.equal(result.code, code, said);
    return { said };
  };
  const tip = (at: Place, ref: string): Promise<string> => git(['rev-parse', ref], { cwd: at.path });

  describe(`hooks over ${door.name}`, () => {
    test('pre-receive sees commands, objects and options before anybody else does', async () => {
      const at = await place();
      await git(['config', 'receive.advertisePushOptions', 'true'], { cwd: at.path });
      hook(
        at,
        'pre-receive',
        `cat </dev/stdin >$notes/stdin; env | sort >$notes/env; pwd >$notes/cwd; echo "$0" "$#" >$notes/args
         while read old new ref; do git cat-file -t $new >>$notes/kinds; done <$notes/stdin
         echo one; echo two >/dev/stderr; echo three >&2; git --version >/dev/null`,
      );
      const [before, oid] = await Promise.all([
        tip(at, 'main'),
        git(['rev-parse', 'main'], { cwd: at.work }),
      ]);
      const said = await push(at, '--push-option=a=b', '--push-option=two words', 'main', 'main:new');
      assert.match(said, /remote: one *\nremote: two *\nremote: three/);
      assert.equal(noted(at, 'stdin'), `${before} ${oid} refs/heads/main\n${zero} ${oid} refs/heads/new\n`);
      assert.equal(noted(at, 'kinds'), 'commit\ncommit\n');
      assert.equal(noted(at, 'cwd'), `${at.path}\n`);
      assert.equal(noted(at, 'args'), 'hooks/pre-receive 0\n');
      const env = new Map(
        noted(at, 'env')
          .split('\n')
          .map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
      );
      assert.equal(env.get('GIT_DIR'), '.');
      assert.equal(env.get('GIT_PUSH_OPTION_COUNT'), '2');
      assert.equal(env.get('GIT_PUSH_OPTION_0'), 'a=b');
      assert.equal(env.get('GIT_PUSH_OPTION_1'), 'two words');
      assert.match(env.get('GIT_QUARANTINE_PATH') ?? '', /objects\/tmp_objdir-incoming-/);
      assert.equal(env.get('GIT_OBJECT_DIRECTORY'), env.get('GIT_QUARANTINE_PATH'));
      assert.match(env.get('GIT_ALTERNATE_OBJECT_DIRECTORIES') ?? '', /\/objects"?$/);
      assert.equal(env.get('REMOTE_ADDR'), '127.0.0.1');
      assert.match(env.get('GIT_COMMITTER_EMAIL') ?? '', /^anonymous@/);
      assert.ok([...env.keys()].every((name) => !name.startsWith('PACKHORSE_')));
    });

    test('pre-receive refuses everything, and nothing of the push stays', async () => {
      const at = await place();
      hook(at, 'pre-receive', 'echo "not today" >&2; exit 1');
      const objects = await git(['count-objects', '-v'], { cwd: at.path });
      const said = await pushFails(at, 'main', ':old');
      assert.match(said, /remote: not today/);
      assert.match(
        said,
        /!\trefs\/heads\/main:refs\/heads\/main\t\[remote rejected\] \(pre-receive hook declined\)/,
      );
      assert.match(said, /!\t:refs\/heads\/old\t\[remote rejected\] \(pre-receive hook declined\)/);
      assert.equal(await git(['count-objects', '-v'], { cwd: at.path }), objects);
      assert.ok(readdirSync(join(at.path, 'objects')).every((name) => !name.startsWith('tmp_objdir')));
      await tip(at, 'old');
    });

    test('a hook that reads nothing of a long list is no error, and a hook may be silent for as long as it likes', async () => {
      const at = await place();
      hook(at, 'pre-receive', 'exec true');
      hook(at, 'post-receive', 'exec true');
      const refspecs = Array.from({ length: 1_500 }, (_, index) => `main:refs/heads/many/${index}`);
      await push(at, ...refspecs);
      assert.equal(
        (await git(['for-each-ref', 'refs/heads/many'], { cwd: at.path })).split('\n').length,
        1_500,
      );
    });

    test('update decides about each ref, when objects are in their place', async () => {
      const at = await place();
      hook(
        at,
        'update',
        'echo "$@" >>$notes/args; env >$notes/env; echo "about $1"; test "$1" != refs/heads/no',
      );
      const [before, oid] = await Promise.all([
        tip(at, 'main'),
        git(['rev-parse', 'main'], { cwd: at.work }),
      ]);
      const said = await pushFails(at, 'main', 'main:no', 'main:yes', ':old');
      assert.match(said, /remote: about refs\/heads\/no/);
      assert.match(said, /remote: error: hook declined to update refs\/heads\/no/);
      assert.match(said, /!\trefs\/heads\/main:refs\/heads\/no\t\[remote rejected\] \(hook declined\)/);
      assert.equal(await tip(at, 'main'), oid);
      assert.equal(await tip(at, 'yes'), oid);
      const lines = noted(at, 'args').trim().split('\n').sort();
      assert.deepEqual(
        lines,
        [
          `refs/heads/main ${before} ${oid}`,
          `refs/heads/no ${zero} ${oid}`,
          `refs/heads/old ${before} ${zero}`,
          `refs/heads/yes ${zero} ${oid}`,
        ].sort(),
      );
      assert.doesNotMatch(noted(at, 'env'), /GIT_QUARANTINE_PATH|GIT_OBJECT_DIRECTORY/);
    });

    test('an atomic push goes down with the first ref that update refuses', async () => {
      const at = await place();
      hook(at, 'update', 'test "$1" != refs/heads/no');
      const before = await tip(at, 'main');
      const said = await pushFails(at, '--atomic', 'main', 'main:no');
      assert.match(said, /refs\/heads\/no\t\[remote rejected\] \(hook declined\)/);
      assert.match(said, /refs\/heads\/main\t\[remote rejected\] \(atomic push failure\)/);
      assert.equal(await tip(at, 'main'), before);
    });

    test('post-receive and post-update hear what happened, and change nothing about it', async () => {
      const at = await place();
      hook(at, 'post-receive', 'cat >$notes/stdin; echo "after receive"; exit 3');
      hook(at, 'post-update', 'echo "$@" >$notes/args; echo "after update"; git update-server-info');
      hook(at, 'update', 'test "$1" != refs/heads/no');
      const [before, oid] = await Promise.all([
        tip(at, 'main'),
        git(['rev-parse', 'main'], { cwd: at.work }),
      ]);
      const said = await pushFails(at, 'main', 'main:no');
      assert.match(said, /remote: after receive *\nremote: after update/);
      assert.equal(noted(at, 'stdin'), `${before} ${oid} refs/heads/main\n`);
      assert.equal(noted(at, 'args'), 'refs/heads/main\n');
      assert.ok(existsSync(join(at.path, 'info/refs')));
    });

    test('hooks are found where core.hooksPath says, and those that may not be executed are passed over', async () => {
      const at = await place();
      hook(at, 'pre-receive', 'exit 1');
      chmodSync(join(at.path, 'hooks/pre-receive'), 0o644);
      assert.match(
        await push(at, 'main:one'),
        /hint: The 'hooks\/pre-receive' hook was ignored because it's not set as executable/,
      );
      hook(at, 'pre-receive', 'echo elsewhere >&2; exit 1', join(at.path, 'other hooks'));
      await git(['config', 'core.hooksPath', 'other hooks'], { cwd: at.path });
      assert.match(await pushFails(at, 'main:two'), /remote: elsewhere/);
      await git(['config', 'core.hooksPath', '/nowhere'], { cwd: at.path });
      await push(at, 'main:three');
    });

    test('refs cannot be moved from inside the quarantine', async () => {
      const at = await place();
      hook(at, 'pre-receive', 'read old new ref; git update-ref refs/heads/sneaked $new 2>&1');
      assert.match(await pushFails(at, 'main'), /ref updates forbidden inside quarantine environment/);
      hook(at, 'pre-receive', 'exit 0');
      hook(at, 'update', 'git update-ref refs/heads/by-update $3');
      await push(at, 'main');
      assert.equal(await tip(at, 'by-update'), await tip(at, 'main'));
    });

    test('reference-transaction is asked and told about every transaction', async () => {
      const at = await place();
      hook(at, 'reference-transaction', 'echo "$1" >>$notes/log; cat >>$notes/log');
      const [before, oid] = await Promise.all([
        tip(at, 'main'),
        git(['rev-parse', 'main'], { cwd: at.work }),
      ]);
      await push(at, '--atomic', 'main', ':old');
      const refs = [`${before} ${oid} refs/heads/main`, `${before} ${zero} refs/heads/old`];
      const [prepared, committed] = noted(at, 'log').split('committed\n');
      assert.deepEqual(prepared?.trim().split('\n').sort(), ['prepared', ...refs].sort());
      assert.deepEqual(committed?.trim().split('\n').sort(), refs.sort());
      hook(
        at,
        'reference-transaction',
        'echo "$1" >>$notes/second; test "$1" != prepared || { echo no >&2; exit 1; }',
      );
      const said = await pushFails(at, 'main:new');
      assert.match(said, /remote: no/);
      assert.match(said, /\[remote rejected\] \(ref updates aborted by hook\)/);
      assert.equal(noted(at, 'second'), 'prepared\naborted\n');
      await gitFails(['rev-parse', '--verify', '--quiet', 'new'], { cwd: at.path });
    });

    test('proc-receive does what is its own, and says what it did', async () => {
      const at = await place();
      const oid = await git(['rev-parse', 'main'], { cwd: at.work });
      await git(['config', 'receive.procReceiveRefs', 'refs/for'], { cwd: at.path });
      hook(at, 'post-receive', 'cat >$notes/stdin');
      hook(
        at,
        'proc-receive',
        procReceive(at.notes, [
          'ok refs/for/main/topic',
          'option refname refs/pull/7/head',
          'option forced-update',
        ]),
      );
      const said = await push(at, 'HEAD:refs/for/main/topic', 'main');
      assert.match(said, /remote: # proc-receive/);
      assert.match(said, /HEAD:refs\/pull\/7\/head/);
      assert.equal(await tip(at, 'main'), oid);
      assert.equal(noted(at, 'commands'), `${zero} ${oid} refs/for/main/topic\n`);
      assert.match(noted(at, 'stdin'), new RegExp(`${zero} ${oid} refs/pull/7/head\n`));
      await gitFails(['rev-parse', '--verify', '--quiet', 'refs/for/main/topic'], { cwd: at.path });

      hook(at, 'proc-receive', procReceive(at.notes, ['ng refs/for/main/topic not reviewed']));
      assert.match(await pushFails(at, 'HEAD:refs/for/main/topic'), /\[remote rejected\] \(not reviewed\)/);
      hook(at, 'proc-receive', 'exit 1');
      assert.match(
        await pushFails(at, 'HEAD:refs/for/main/topic'),
        /error: fail to negotiate version with proc-receive hook[^]*\(fail to run proc-receive hook\)/,
      );
    });

    test('a work tree follows when it is to, and only while nobody works in it', async () => {
      const at = await place();
      const tree = join(scene.root, `tree-${door.name}`);
      await git(['clone', '--quiet', at.path, tree]);
      await git(['config', 'receive.denyCurrentBranch', 'updateInstead'], { cwd: tree });
      const remote = await scene.remote(door, join(tree, '.git'));
      const there: Place = { ...at, ...remote, path: join(tree, '.git') };
      await git(['remote', 'set-url', 'origin', remote.url], { cwd: at.work });
      await push(there, 'main');
      assert.equal(readFileSync(join(tree, 'a'), 'utf8'), 'a\n');
      assert.equal(await git(['status', '--porcelain'], { cwd: tree }), '');
      writeFileSync(join(tree, 'a'), 'being worked on\n');
      await commitFiles(at.work, { b: 'b\n' });
      assert.match(await pushFails(there, 'main'), /\(Working directory has unstaged changes\)/);
      hook(there, 'push-to-checkout', 'echo "$1 $GIT_DIR $GIT_WORK_TREE" >$notes/checkout; exit 1');
      assert.match(await pushFails(there, 'main'), /\(push-to-checkout hook declined\)/);
      const oid = await git(['rev-parse', 'main'], { cwd: at.work });
      assert.equal(noted(at, 'checkout'), `${oid} ${tree}/.git ${tree}\n`);
    });

    test('hooks run as well where git serves a repository itself, such as a linked work tree', async () => {
      const at = await place();
      const main = join(scene.root, `main-${door.name}`);
      await git(['clone', '--quiet', at.path, main]);
      await git(['worktree', 'add', '--quiet', '-b', 'linked', `${main}-linked`], { cwd: main });
      const remote = await scene.remote(door, `${main}-linked`);
      await git(['remote', 'set-url', 'origin', remote.url], { cwd: at.work });
      const there: Place = { ...at, ...remote, path: join(main, '.git') };
      hook(there, 'pre-receive', 'cat >$notes/stdin; echo "in git itself"');
      assert.match(await push(there, 'main:new'), /remote: in git itself/);
      assert.match(noted(at, 'stdin'), /refs\/heads\/new/);
    });

    test('a hook ends with the client that it works for', async () => {
      const at = await place();
      hook(at, 'pre-receive', 'echo $$ >$notes/pid.new; mv $notes/pid.new $notes/pid; sleep 600 & wait');
      const before = await tip(at, 'main');
      await using client = startGit(['push', 'origin', 'main'], as(at, { cwd: at.work }));
      await waitUntil('the hook runs', () => existsSync(join(at.notes, 'pid')));
      const pid = Number(noted(at, 'pid'));
      await client.killGroup();
      await waitUntil('the hook is gone', () => !existsSync(`/proc/${pid}`));
      assert.equal(await tip(at, 'main'), before);
    });
  });
}

test('a hook that takes too long counts as failed', async () => {
  await using hasty = await RootScene.start({
    serveArguments: ['--hooks'],
    env: { PACKHORSE_GIT_HOOK_TIMEOUT_MS: '300' },
  });
  const path = await hasty.create();
  const work = await newWorkTree();
  writeFileSync(join(path, 'hooks/pre-receive'), '#!/bin/sh\nsleep 600\n', { mode: 0o755 });
  const { url } = await hasty.remote({ name: 'http' }, path);
  assert.match(await gitFails(['push', url, 'main'], { cwd: work }), /\(pre-receive hook declined\)/);
});

test('without --hooks no hook runs', async () => {
  await using plain = await RootScene.start();
  const path = await plain.create();
  const work = await newWorkTree();
  const names = [
    'pre-receive',
    'update',
    'proc-receive',
    'reference-transaction',
    'post-receive',
    'post-update',
  ];
  for (const name of names) {
    writeFileSync(join(path, 'hooks', name), '#!/bin/sh\ntouch ../ran\nexit 1\n', { mode: 0o755 });
  }
  await git(['config', 'receive.procReceiveRefs', 'refs/for'], { cwd: path });
  const { url } = await plain.remote({ name: 'http' }, path);
  await git(['push', url, 'main'], { cwd: work });
  // What a hook was to take care of is not done without it.
  assert.match(
    await gitFails(['push', url, 'main:refs/for/main'], { cwd: work }),
    /error: cannot find hook 'proc-receive'[^]*\(fail to run proc-receive hook\)/,
  );
  assert.ok(!existsSync(join(path, '../ran')));
});

/** A proc-receive hook that speaks version 1, notes its commands and reports `lines`. */
function procReceive(notes: string, lines: readonly string[]): string {
  return `#!${process.execPath}
const { readSync, writeSync, appendFileSync } = require('node:fs');
const read = (bytes) => {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; ) {
    try { at += readSync(0, buffer, at, bytes - at); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
  return buffer.toString();
};
const line = () => { const size = parseInt(read(4), 16); return size === 0 ? undefined : read(size - 4); };
const write = (text) => writeSync(1, (text.length + 4).toString(16).padStart(4, '0') + text);
process.stderr.write('# proc-receive\\n');
while (line() !== undefined);
write('version=1\\0push-options');
writeSync(1, '0000');
for (let text; (text = line()) !== undefined; ) appendFileSync(${JSON.stringify(`${notes}/commands`)}, text + '\\n');
while (line() !== undefined);
for (const text of ${JSON.stringify(lines)}) write(text);
writeSync(1, '0000');
`;
}
