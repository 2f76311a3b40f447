import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Remote } from '#test/doors';
import { commitFiles, git, newWorkTree, tryGit } from '#test/git';
import { newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { Scene } from './scene.ts';

/** Signed pushes (git-push, `--signed`): a nonce, a certificate, and hooks that hear of it. */

let key: Awaited<ReturnType<typeof newSshKey>>;
let signers: string;

before(async () => {
  key = await newSshKey();
  signers = join(temporaryDirectory('signers'), 'allowed');
  writeFileSync(signers, `person@example.org ${key.publicKey}\n`);
});

function filesBelow(directory: string, pattern: RegExp): string[] {
  return readdirSync(join(directory, 'volume'), { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, 'volume', name))
    .filter((name) => pattern.test(name));
}

async function signingWorkTree(): Promise<string> {
  const work = await newWorkTree();
  await git(['config', 'gpg.format', 'ssh'], { cwd: work });
  await git(['config', 'user.signingKey', key.privateKeyPath], { cwd: work });
  return work;
}

function pushSigned(remote: Remote, work: string, ...args: readonly string[]): ReturnType<typeof tryGit> {
  return tryGit(['push', '--signed', '--porcelain', remote.url, ...args], as(remote, { cwd: work }));
}

describe('a directory of repositories with --hooks', () => {
  let scene: RootScene;
  before(async () => {
    scene = await RootScene.start({ serveArguments: ['--hooks'] });
  });
  after(() => scene[Symbol.asyncDispose]());

  for (const door of rootDoors) {
    test(`hooks see a signed push over ${door.name} for what it is`, async () => {
      const path = await scene.create();
      const notes = temporaryDirectory('notes');
      for (const name of ['pre-receive', 'post-receive']) {
        const file = join(path, 'hooks', name);
        writeFileSync(
          file,
          `#!/bin/sh\nenv | grep ^GIT_PUSH_CERT | sort >${notes}/${name}\ngit cat-file blob $GIT_PUSH_CERT >${notes}/certificate\nexit 0\n`,
        );
        chmodSync(file, 0o755);
      }
      const work = await signingWorkTree();
      const remote = await scene.remote(door, path);
      const unsigned = await pushSigned(remote, work, 'main');
      assert.match(unsigned.stderr, /the receiving end does not support --signed push/);
      for (const [name, value] of [
        ['receive.certNonceSeed', 'a secret'],
        ['receive.certNonceSlop', '100'],
        ['gpg.ssh.allowedSignersFile', signers],
        ['receive.advertisePushOptions', 'true'],
      ] as const) {
        await git(['config', name, value], { cwd: path });
      }
      const signed = await pushSigned(remote, work, '--push-option=x', 'main', 'main:other');
      assert.equal(signed.code, 0, signed.stderr);
      const oid = await git(['rev-parse', 'main'], { cwd: work });
      const certificate = readFileSync(join(notes, 'certificate'), 'utf8');
      assert.match(certificate, /^certificate version 0\.1\npusher /);
      assert.match(certificate, /^push-option x$/m);
      assert.ok(certificate.includes(`\n${'0'.repeat(40)} ${oid} refs/heads/other\n`));
      for (const name of ['pre-receive', 'post-receive']) {
        const environment = readFileSync(join(notes, name), 'utf8');
        assert.match(environment, /^GIT_PUSH_CERT=[0-9a-f]{40}$/m);
        assert.match(environment, /^GIT_PUSH_CERT_STATUS=G$/m);
        assert.match(environment, /^GIT_PUSH_CERT_SIGNER=person@example\.org$/m);
        assert.match(environment, /^GIT_PUSH_CERT_KEY=SHA256:/m);
        assert.match(environment, /^GIT_PUSH_CERT_NONCE=\d+-[0-9a-f]{40}$/m);
        assert.match(environment, /^GIT_PUSH_CERT_NONCE_STATUS=OK$/m);
      }
      assert.equal(await git(['rev-parse', 'other'], { cwd: path }), oid);
      await commitFiles(work, { 'not-signed': '' });
      assert.equal((await tryGit(['push', remote.url, 'main'], as(remote, { cwd: work }))).code, 0);
      assert.equal(readFileSync(join(notes, 'pre-receive'), 'utf8'), '');
    });
  }
});

describe('a server with accounts', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
  });
  after(() => scene[Symbol.asyncDispose]());

  for (const door of doors) {
    test(`the certificate of a signed push over ${door.name} is kept, and the reflog names it`, async () => {
      const served = await scene.empty(door);
      const work = await signingWorkTree();
      const before = filesBelow(scene.packhorse.dataDir, /\/push-certificates\//);
      const result = await pushSigned(served, work, 'main');
      assert.equal(result.code, 0, result.stderr);
      const certificates = filesBelow(scene.packhorse.dataDir, /\/push-certificates\/[0-9a-f]{40}$/);
      const file = certificates.find((name) => !before.includes(name)) ?? '';
      const path = join(file, '../..');
      const log = readFileSync(join(path, 'logs/refs/heads/main'), 'utf8');
      const oid = /\tpush: signed, certificate ([0-9a-f]{40})\n$/.exec(log)?.[1];
      assert.ok(oid !== undefined, log);
      assert.equal(basename(file), oid);
      assert.match(readFileSync(file, 'utf8'), /^certificate version 0\.1\n[^]*BEGIN SSH SIGNATURE/);
      assert.equal(await git(['hash-object', file]), oid);
    });
  }
});
