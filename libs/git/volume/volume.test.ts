import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, randomId } from '#base';
import { FaultyDisk } from '#test/faulty-disk';
import { fsck, git, newWorkTree } from '#test/git';
import { openDiskRepository } from '#test/disk-repository';
import { temporaryDirectory } from '#test/temporary';
import '#test/temporary-in-memory';
import { placeOf } from './layout.ts';
import { recoverRepository } from './recovery.ts';
import { systemDisk } from './disk.ts';
import { openVolume, type Volume } from './volume.ts';

const sha1 = { objectFormat: 'sha1', defaultBranch: 'main' } as const;

function newPath(): string {
  return join(temporaryDirectory('volume'), 'volume');
}

async function idsOf(volume: Volume): Promise<string[]> {
  return (await Array.fromAsync(volume.repositories())).sort();
}

test('a volume keeps its identity, whoever opens it and wherever it is', async () => {
  const path = newPath();
  let id = '';
  {
    await using volume = await openVolume(path);
    ({ id } = volume);
    assert.match(id, /^[0-9a-z]{26}$/);
  }
  await using again = await openVolume(path);
  assert.equal(again.id, id);
  await using other = await openVolume(newPath());
  assert.notEqual(other.id, id);
});

test('a second server on the same volume is refused, until the first one ends, however it ends', async () => {
  const path = newPath();
  const program = `
    import { openVolume } from '${join(import.meta.dirname, 'volume.ts')}';
    const volume = await openVolume(process.argv[1]);
    console.log('open');
    setInterval(() => volume, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await assert.rejects(
    openVolume(path),
    (error) => hasCode(error, 'failed_precondition') && /Another running server/.test(error.message),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using volume = await openVolume(path);
  await assert.rejects(openVolume(path), (error) => hasCode(error, 'failed_precondition'));
  assert.equal(volume.path, path);
});

test('a volume of a newer format, or with a damaged identity, is refused and left as it is', async () => {
  for (const [content, code] of [
    ['{"format":2,"id":"abcdefghjkmnpqrstvwxyz0123"}', 'failed_precondition'],
    ['not json', 'data_loss'],
    ['{"format":1,"id":"../../x"}', 'data_loss'],
    ['null', 'data_loss'],
  ] as const) {
    const path = newPath();
    mkdirSync(path);
    writeFileSync(join(path, 'volume.json'), content);
    await assert.rejects(openVolume(path), (error) => hasCode(error, code), content);
    assert.equal(readFileSync(join(path, 'volume.json'), 'utf8'), content);
  }
});

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`a new ${objectFormat} repository is an empty bare one for git`, async () => {
    await using volume = await openVolume(newPath());
    const id = randomId();
    await volume.createRepository(id, { objectFormat, defaultBranch: 'trunk' });
    const path = volume.repositoryPath(id);
    assert.equal(await git(['rev-parse', '--show-object-format'], { cwd: path }), objectFormat);
    assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: path }), 'refs/heads/trunk');
    assert.equal(await git(['rev-parse', '--is-bare-repository'], { cwd: path }), 'true');
    assert.equal(await git(['count-objects'], { cwd: path }), '0 objects, 0 kilobytes');
    const repository = await openDiskRepository(path);
    assert.equal(repository.objectFormat, objectFormat);
    assert.deepEqual((await repository.refs()).head, { symref: 'refs/heads/trunk' });
    assert.deepEqual(await repository.verify(), []);
    assert.deepEqual(placeOf(path), { volume: volume.path, id });
  });
}

test('git itself works in a repository that we made', async () => {
  await using volume = await openVolume(newPath());
  const id = randomId();
  await volume.createRepository(id, sha1);
  const path = volume.repositoryPath(id);
  const work = await newWorkTree();
  await git(['push', '--quiet', path, 'main'], { cwd: work });
  assert.match(await git(['reflog', 'show', 'main'], { cwd: path }), /push/);
  await git(['gc', '--quiet'], { cwd: path });
  await fsck(path);
});

test('repositories are listed, found by their id alone, and gone after removal', async () => {
  await using volume = await openVolume(newPath());
  const ids = Array.from({ length: 5 }, () => randomId()).sort();
  await Promise.all(ids.map((id) => volume.createRepository(id, sha1)));
  assert.deepEqual(await idsOf(volume), ids);
  const [first = '', ...rest] = ids;
  await volume.removeRepository(first);
  await volume.removeRepository(first);
  assert.deepEqual(await idsOf(volume), rest);
  assert.deepEqual(readdirSync(join(volume.path, 'trash')), []);
});

test('an id or a branch name that could lead anywhere else is refused', async () => {
  await using volume = await openVolume(newPath());
  for (const id of ['../../../etc', 'a/b/c/d/e/f', '', 'ABCDEFGHIJ', 'abcdefgh.git', 'abcdefgh\n']) {
    assert.throws(
      () => volume.repositoryPath(id),
      (error) => hasCode(error, 'invalid_argument'),
      id,
    );
  }
  for (const defaultBranch of ['', 'a..b', 'x\ny', 'a b', '-/.x', 'a.lock']) {
    const creating = volume.createRepository(randomId(), { objectFormat: 'sha1', defaultBranch });
    await assert.rejects(creating, (error) => hasCode(error, 'invalid_argument'), defaultBranch);
  }
  assert.deepEqual(await idsOf(volume), []);
});

test('a repository is never created over another', async () => {
  await using volume = await openVolume(newPath());
  const id = randomId();
  const racing = await Promise.allSettled([1, 2, 3].map(() => volume.createRepository(id, sha1)));
  assert.equal(racing.filter((each) => each.status === 'fulfilled').length, 1);
  for (const each of racing)
    if (each.status === 'rejected') assert.ok(hasCode(each.reason, 'already_exists'));
  assert.deepEqual(readdirSync(join(volume.path, 'incoming')), []);
});

test('creating a repository happens wholly or not at all, whichever step fails, crashes or loses power', async () => {
  const id = 'abcdefghjk';
  const steps = async (disk: FaultyDisk, path: string): Promise<unknown> => {
    try {
      await using volume = await openVolume(path, { disk });
      await volume.createRepository(id, sha1);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const clean = new FaultyDisk();
  assert.equal(await steps(clean, newPath()), undefined);
  assert.ok(clean.steps.length > 20);
  for (let at = 0; at <= clean.steps.length; at += 1) {
    for (const kind of ['crash', 'power', 'error'] as const) {
      const path = newPath();
      const disk = new FaultyDisk(kind === 'error' ? { at, kind, code: 'ENOSPC' } : { at, kind: 'crash' });
      const error = await steps(disk, path);
      if (kind === 'power') disk.losePower(path);
      const what = `${kind} at ${clean.steps[at] ?? 'the end'}`;
      if (at === clean.steps.length) assert.equal(error, undefined);
      if (kind === 'error' && error !== undefined) assert.ok(hasCode(error, 'resource_exhausted'), what);
      await using volume = await openVolume(path);
      const exists = existsSync(volume.repositoryPath(id));
      if (error === undefined) assert.ok(exists, what);
      if (exists) await git(['symbolic-ref', 'HEAD'], { cwd: volume.repositoryPath(id) });
      assert.deepEqual(
        [...readdirSync(join(path, 'incoming')), ...readdirSync(join(path, 'trash'))],
        [],
        what,
      );
    }
  }
});

test('starting removes what half-made and half-removed repositories left', async () => {
  const path = newPath();
  await (await openVolume(path))[Symbol.asyncDispose]();
  for (const name of ['incoming/x.y', 'trash/x.y']) {
    mkdirSync(join(path, name, 'objects'), { recursive: true });
    writeFileSync(join(path, name, 'HEAD'), '');
  }
  writeFileSync(join(path, 'busy', 'abcdefghjk.gone'), '');
  await using volume = await openVolume(path);
  for (const name of ['incoming', 'trash', 'busy'])
    assert.deepEqual(readdirSync(join(volume.path, name)), []);
});

test('recovery takes temporary files of every kind, but nothing of a running server', async () => {
  await using volume = await openVolume(newPath());
  const id = randomId();
  await volume.createRepository(id, sha1);
  const path = volume.repositoryPath(id);
  mkdirSync(join(path, 'objects/tmp_objdir-incoming-x/pack'), { recursive: true });
  mkdirSync(join(path, 'refs/heads/deep'));
  const left = [
    'objects/tmp_objdir-incoming-x/pack/tmp_pack_1',
    'objects/pack/tmp_idx_2',
    'refs/heads/deep/x.lock',
    'HEAD.lock',
    'packed-refs.lock',
    'packed-refs.new',
  ];
  for (const name of left) writeFileSync(join(path, name), '');
  assert.equal(await recoverRepository(systemDisk, path, Date.now() - 60_000), 0);
  assert.equal(await recoverRepository(systemDisk, path), left.length);
  for (const name of left) assert.ok(!existsSync(join(path, name)), name);
  assert.deepEqual(await (await openDiskRepository(path)).verify(), []);
});
