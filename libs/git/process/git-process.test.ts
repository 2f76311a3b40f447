import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base';
import { newBareRepository } from '#test/disk-repository';
import { git } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import { GitRunner } from './git-runner.ts';

const runner = new GitRunner({ timeoutMs: 60_000 });

/** A stand-in for git that does what `script` says, to see how the runner deals with odd processes. */
function scripted(script: string, timeoutMs = 60_000): GitRunner {
  const binary = join(temporaryDirectory('binary'), 'fake-git');
  writeFileSync(binary, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  return new GitRunner({ binary, timeoutMs });
}

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

async function* text(...chunks: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

const command = { gitDir: '/', args: ['do'] };

test('what git answers is returned, and arguments are never seen by a shell', async () => {
  const gitDir = await newBareRepository();
  const nasty = `$(touch ${gitDir}/owned); "quoted" *`;
  const result = await runner.run({ gitDir, args: ['config', '--end-of-options', 'test.key', nasty] });
  assert.equal(result.code, 0);
  assert.equal(await git(['config', 'test.key'], { cwd: gitDir }), nasty);
  assert.ok(!existsSync(join(gitDir, 'owned')));
});

test('input and output of any size pass at the pace of the process', async () => {
  const gitDir = await newBareRepository();
  const megabyte = 'x'.repeat(1 << 20);
  const input = text(...Array.from({ length: 8 }, () => megabyte));
  const { stdout } = await runner.run({ gitDir, args: ['hash-object', '--stdin'], input });
  assert.equal(
    stdout.toString().trim(),
    await git(['hash-object', '--stdin'], { input: megabyte.repeat(8) }),
  );
});

test('nothing of the environment, and no config that runs code, reaches git', async () => {
  const gitDir = await newBareRepository();
  const mark = join(gitDir, 'hook-ran');
  writeFileSync(join(gitDir, 'hooks/reference-transaction'), `#!/bin/sh\ntouch '${mark}'\n`, { mode: 0o755 });
  process.env['GIT_CONFIG_PARAMETERS'] = "'user.name=Leaked'";
  process.env['GIT_OBJECT_DIRECTORY'] = '/nowhere';
  try {
    const tree = (await runner.run({ gitDir, args: ['mktree'], input: text('') })).stdout.toString().trim();
    const config = { 'user.name': 'Config', 'user.email': 'config@example.org' };
    const args = ['commit-tree', '-m', 'message', tree];
    const commit = (await runner.run({ gitDir, args, config })).stdout.toString().trim();
    await runner.run({ gitDir, args: ['update-ref', 'refs/heads/main', commit] });
    assert.match(await git(['log', '-1', '--format=%an', 'main'], { cwd: gitDir }), /^Config$/);
    assert.ok(!existsSync(mark));
  } finally {
    delete process.env['GIT_CONFIG_PARAMETERS'];
    delete process.env['GIT_OBJECT_DIRECTORY'];
  }
});

test('a repository cannot make git fetch, whatever its config allows', async () => {
  const gitDir = await newBareRepository();
  const mark = join(gitDir, 'ran');
  const helper = `ext::sh -c touch% ${mark}`;
  for (const [key, value] of [
    ['protocol.ext.allow', 'always'],
    ['remote.evil.url', helper],
    ['remote.evil.promisor', 'true'],
    ['extensions.partialClone', 'evil'],
    ['core.repositoryFormatVersion', '1'],
  ] as const) {
    await git(['config', key, value], { cwd: gitDir });
  }
  const args = ['cat-file', '-t', '12'.repeat(20)];
  assert.equal((await runner.run({ gitDir, args, okCodes: [0, 1, 128] })).code, 128);
  await assert.rejects(runner.run({ gitDir, args: ['fetch', 'evil'] }), (error) =>
    hasCode(error, 'internal'),
  );
  assert.ok(!existsSync(mark));
});

test('a repository that belongs to another user is served', async () => {
  const gitDir = await newBareRepository();
  const result = await runner.run({
    gitDir,
    args: ['rev-parse', '--is-bare-repository'],
    environment: { GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' },
  });
  assert.equal(result.stdout.toString(), 'true\n');
});

test('a failing command throws with the end of what it said, unless its exit code is an answer', async () => {
  const gitDir = await newBareRepository();
  await assert.rejects(runner.run({ gitDir, args: ['cat-file', '-t', 'nothing'] }), (error) => {
    assert.ok(hasCode(error, 'internal'));
    assert.match(String(error.metadata['stderr']), /Not a valid object name/);
    return true;
  });
  const answer = await runner.run({ gitDir, args: ['config', 'no.such'], okCodes: [0, 1] });
  assert.equal(answer.code, 1);
});

test('a missing git program is a clear error', async () => {
  const none = new GitRunner({ binary: '/nowhere/git', timeoutMs: 1000 });
  await assert.rejects(
    none.run(command),
    (error) => hasCode(error, 'internal') && /could not be started/.test(error.message),
  );
});

test('more output than was agreed stops the process', async () => {
  await assert.rejects(scripted('yes').run({ ...command, maxOutputBytes: 100_000 }), (error) =>
    hasCode(error, 'resource_exhausted'),
  );
});

test('only the end of a long standard error is kept', async () => {
  const { stderr } = await scripted('for i in $(seq 20000); do echo "line $i" >&2; done').run(command);
  assert.ok(stderr.length < 200_000);
  assert.match(stderr, /line 20000\n$/);
});

test('aborting ends a process and everything that it started, even what ignores SIGTERM', async () => {
  const leaving = new AbortController();
  const stubborn = scripted(
    `trap '' TERM\n(trap '' TERM; while :; do sleep 0.05; done) &\necho "$! $$"\nwhile :; do sleep 0.05; done`,
  );
  await using running = stubborn.start(
    { ...command, signal: leaving.signal },
    { stdin: 'pipe', stdout: 'pipe' },
  );
  const [line] = (await running.stdout.take(1).toArray()) as Buffer[];
  const pids = String(line).trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  assert.ok(pids.every((pid) => isRunning(pid)));
  leaving.abort();
  const exit = await running.exit;
  assert.deepEqual([exit.stopped, exit.signal], ['aborted', 'SIGKILL']);
  await waitUntil('the group to be gone', () => pids.every((pid) => !isRunning(pid)));
});

test('a process that takes too long is stopped', async () => {
  await assert.rejects(scripted('sleep 60', 50).run(command), (error) => hasCode(error, 'deadline_exceeded'));
});

test('an aborted signal stops a process before it starts', async () => {
  await assert.rejects(scripted('sleep 60').run({ ...command, signal: AbortSignal.abort() }), (error) =>
    hasCode(error, 'cancelled'),
  );
});

test('disposing stops and reaps a process that nobody waits for', async () => {
  let pid = 0;
  {
    await using running = scripted('sleep 60').start(command, { stdin: 'ignore', stdout: 'ignore' });
    pid = running.pid ?? 0;
    assert.ok(isRunning(pid));
  }
  assert.ok(!existsSync(`/proc/${pid}`));
});

test('feeding ends early, without an error, when the process does not want more', async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(65_536);
  }
  await using running = scripted('head -c 10 >/dev/null').start(command, { stdin: 'pipe', stdout: 'ignore' });
  await running.feed(endless());
  assert.equal((await running.exit).code, 0);
});

test('feeding ends when the process does, though the input gives nothing any more', async () => {
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first');
    await new Promise(() => undefined);
  }
  await using running = scripted('exit 3').start(command, { stdin: 'pipe', stdout: 'ignore' });
  await running.feed(silent());
  assert.equal((await running.exit).code, 3);
});

test('a slow process holds its input back', async () => {
  let yielded = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for (; yielded < 10_000; yielded += 1) yield Buffer.alloc(65_536);
  }
  await using running = scripted('sleep 60').start(command, { stdin: 'pipe', stdout: 'ignore' });
  const feeding = running.feed(counted());
  await waitUntil('the pipe to be full', () => running.stdin.writableNeedDrain);
  const full = yielded;
  assert.ok(full < 100, `${full} chunks`);
  running.stop('disposed');
  await feeding;
  assert.ok(yielded <= full + 1);
});
