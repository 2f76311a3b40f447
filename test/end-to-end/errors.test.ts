import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { directorySnapshot } from '#test/directory-snapshot';
import { as, doors, httpUrl, sshUrl, type Door, type Remote } from '#test/doors';
import { commitFiles, git, gitFails, newWorkTree } from '#test/git';
import { run } from '#test/processes';
import { newSshKey } from '#test/ssh';
import { TamperingProxy, tamperingSsh } from '#test/tampering';
import type { Tampering } from '#test/tamper-stream';
import type { Person } from '#test/packhorse';
import { Scene, type Served } from './scene.ts';

let scene: Scene;
let stranger: Person;

before(async () => {
  scene = await Scene.start();
  stranger = await scene.packhorse.createPerson('steve');
});
after(() => scene[Symbol.asyncDispose]());

interface Place extends Served {
  readonly workTree: string;
  /** Where the server keeps it. */
  readonly onDisk: string;
}

/** A repository with one commit, and a work tree that is one commit ahead. */
async function place(door: Door, options: { readonly private?: boolean } = {}): Promise<Place> {
  const served = await scene.empty(door, options);
  const workTree = await newWorkTree();
  await git(['push', '--quiet', served.url, 'main'], as(served, { cwd: workTree }));
  await commitFiles(workTree, { 'big.txt': 'line of text\n'.repeat(5000), 'small.txt': 'x\n' });
  return { ...served, workTree, onDisk: await scene.packhorse.repositoryPath(served.name) };
}

/** Fails to push to `remote`, and shows that not one byte of the repository changed. Returns what the user reads. */
async function refusedPush(at: Place, remote: Remote, ...args: readonly string[]): Promise<string> {
  const before = await directorySnapshot(at.onDisk);
  const refspec = args.length === 0 ? ['main'] : args;
  const said = await gitFails(['push', remote.url, ...refspec], as(remote, { cwd: at.workTree }));
  assert.deepEqual(await directorySnapshot(at.onDisk), before);
  return said;
}

/** The same remote, but with everything pushed there changed on its way. */
async function tampered(
  door: Door,
  at: Place,
  tampering: Tampering,
  use: (remote: Remote) => Promise<void>,
): Promise<void> {
  if (door.name === 'http') {
    await using proxy = await TamperingProxy.start(scene.packhorse.httpUrl, tampering);
    const url = at.url.replace(new URL(at.url).host, new URL(proxy.url).host);
    await use({ url, env: {} });
  } else {
    await use({
      url: at.url,
      env: { ...at.env, GIT_SSH_COMMAND: tamperingSsh(at.env['GIT_SSH_COMMAND'] ?? '', tampering) },
    });
  }
}

for (const door of doors) {
  describe(`errors over ${door.name}`, () => {
    const reading = (remote: Remote): Promise<string> => gitFails(['ls-remote', remote.url], as(remote));

    test('a repository that does not exist', async () => {
      const { packhorse, owner } = scene;
      const remote = await door.remote(packhorse, owner, 'olivia/nothing.git');
      const message = 'There is no such repository, or you may not see it\\.';
      const expected = {
        http: new RegExp(
          `^remote: ${message}\nfatal: repository 'http:.*olivia/nothing\\.git/' not found\n$`,
        ),
        ssh: new RegExp(`^packhorse: ${message}\nfatal: Could not read from remote repository\\.\n`),
      };
      assert.match(await reading(remote), expected[door.name]);
      const at = await place(door);
      assert.match(await refusedPush(at, remote), expected[door.name]);
    });

    test('somebody else’s private repository looks exactly like one that does not exist', async () => {
      const at = await place(door, { private: true });
      const absent = await door.remote(scene.packhorse, stranger, 'olivia/nothing.git');
      const hidden = await door.remote(scene.packhorse, stranger, `${at.name}.git`);
      const neutral = (said: string): string => said.replaceAll(at.name, 'olivia/nothing');
      assert.equal(neutral(await reading(hidden)), await reading(absent));
      assert.equal(neutral(await refusedPush(at, hidden)), await refusedPush(at, absent));
    });

    test('a public repository may be read but not written by a stranger', async () => {
      const at = await place(door);
      const remote = await door.remote(scene.packhorse, stranger, `${at.name}.git`);
      await git(['ls-remote', remote.url], as(remote));
      const said = await refusedPush(at, remote);
      assert.match(said, /^(remote|packhorse): You may not push to this repository\.\nfatal: /);
    });

    test('a truncated pack', async () => {
      const at = await place(door);
      await tampered(door, at, { truncateAt: 150 }, async (remote) => {
        const said = await refusedPush(at, remote);
        assert.match(said, /unpack.*(early EOF|truncated|ended|incomplete|unexpected)/i);
        assert.match(said, /! \[remote rejected\] main -> main \(unpacker error\)/);
      });
    });

    test('a corrupt pack', async () => {
      const at = await place(door);
      await tampered(door, at, { flipAt: 60 }, async (remote) => {
        const said = await refusedPush(at, remote);
        assert.match(said, /unpack.*(inflate|corrupt|mismatch|invalid|SHA1)/i);
        assert.match(said, /! \[remote rejected\] main -> main \(unpacker error\)/);
      });
    });

    test('a bad ref name', async () => {
      const at = await place(door);
      for (const bad of [
        'refs/heads/a..b',
        'refs/heads/a b',
        'refs/heads/a~b',
        'refs/../../ab',
        'etc/heads/ab',
      ]) {
        const good = `refs/heads/${'x'.repeat(bad.length - 'refs/heads/'.length)}`;
        await tampered(door, at, { rename: [good, bad] }, async (remote) => {
          const said = await refusedPush(at, remote, `main:${good}`);
          assert.match(said, /! \[remote rejected\] main -> x+ \((funny|bad|invalid).*ref.*name.*\)/i, bad);
        });
      }
    });

    test('the next push after all of these succeeds', async () => {
      const at = await place(door);
      await tampered(door, at, { flipAt: 60 }, async (remote) => void (await refusedPush(at, remote)));
      await git(['push', '--quiet', at.url, 'main'], as(at, { cwd: at.workTree }));
      assert.equal(
        await git(['rev-parse', 'main'], { cwd: at.onDisk }),
        await git(['rev-parse', 'main'], { cwd: at.workTree }),
      );
    });
  });
}

describe('credentials over http', () => {
  const anonymousUrl = (name: string): Remote => ({ url: `${scene.packhorse.httpUrl}/${name}.git`, env: {} });
  const withSecret = (name: string, login: string, secret: string): Remote => ({
    url: httpUrl(scene.packhorse, login, secret, `${name}.git`),
    env: {},
  });
  const http = doors[0] ?? assert.fail();

  test('without a login, a private, a missing and a public repository to push to all ask for one', async () => {
    const [hidden, open] = [await place(http, { private: true }), await place(http)];
    const asked =
      /^fatal: could not read Username for 'http:\/\/127\.0\.0\.1:\d+': terminal prompts disabled\n$/;
    for (const name of [hidden.name, 'olivia/nothing', 'nobody/nothing']) {
      assert.match(await gitFails(['ls-remote', anonymousUrl(name).url]), asked, name);
    }
    assert.match(await refusedPush(open, anonymousUrl(open.name)), asked);
    assert.match(await refusedPush(hidden, anonymousUrl(hidden.name)), asked);
  });

  test('a wrong password, a wrong token and an unknown login fail alike', async () => {
    const at = await place(http);
    for (const [login, secret] of [
      ['olivia', 'wrong'],
      ['olivia', `${scene.owner.token.slice(0, -4)}xxxx`],
      ['olivia', stranger.token],
      ['nobody', 'wrong'],
    ] as const) {
      const said = await refusedPush(at, withSecret(at.name, login, secret));
      assert.match(said, /^(remote: .*\n)?fatal: Authentication failed for 'http:.*'\n$/, login);
      assert.doesNotMatch(said, /unknown|no such|exist/i);
    }
  });

  test('a password works as well as a token', async () => {
    const at = await place(http, { private: true });
    const remote = withSecret(at.name, 'olivia', scene.owner.password);
    assert.match(await git(['ls-remote', remote.url]), /refs\/heads\/main/);
  });

  test('a token for reading does not push', async () => {
    const at = await place(http, { private: true });
    const token = await scene.packhorse.createToken('olivia', 'repo:read');
    const remote = withSecret(at.name, 'olivia', token);
    assert.match(await git(['ls-remote', remote.url]), /refs\/heads\/main/);
    const said = await refusedPush(at, remote);
    assert.match(
      said,
      /^remote: .*(not allowed|permission|scope).*\nfatal: unable to access 'http:.*': The requested URL returned error: 403\n$/is,
    );
  });
});

describe('keys over ssh', () => {
  const ssh = doors[1] ?? assert.fail();

  test('an unknown key', async () => {
    const at = await place(ssh);
    const env = (await scene.packhorse.knownHosts()).gitEnvironment(await newSshKey());
    const said = await refusedPush(at, { url: at.url, env });
    assert.match(said, /git@127\.0\.0\.1: Permission denied \(publickey\)/);
    assert.match(said, /fatal: Could not read from remote repository\./);
  });

  test('no key at all', async () => {
    const env = (await scene.packhorse.knownHosts()).gitEnvironment(undefined);
    const said = await gitFails(['ls-remote', sshUrl(scene.packhorse, 'olivia/nothing.git')], { env });
    assert.match(said, /Permission denied \(publickey/);
  });

  for (const type of ['ed25519', 'rsa', 'ecdsa'] as const) {
    test(`a key of type ${type} works once it was added`, async () => {
      const at = await place(ssh, { private: true });
      const key = await newSshKey(type);
      const env = (await scene.packhorse.knownHosts()).gitEnvironment(key);
      await gitFails(['ls-remote', at.url], { env });
      await scene.packhorse.cli(['key', 'add', 'olivia'], { input: `${key.publicKey}\n` });
      assert.match(await git(['ls-remote', at.url], { env }), /refs\/heads\/main/);
    });
  }

  test('a shell is not offered, but the visitor is greeted by name', async () => {
    const { host, port } = scene.packhorse.ssh;
    const args = (await scene.packhorse.knownHosts()).sshArguments(scene.owner.key);
    const result = await run('ssh', [...args, '-T', '-p', String(port), `git@${host}`]);
    assert.match(`${result.stderr}${result.stdout.toString()}`, /olivia/);
    assert.notEqual(result.code, 0);
  });

  test('commands other than those of git are refused', async () => {
    const { host, port } = scene.packhorse.ssh;
    const args = (await scene.packhorse.knownHosts()).sshArguments(scene.owner.key);
    for (const command of [
      'ls',
      'git-upload-archive olivia/x.git',
      "git-upload-pack '../../etc'",
      'git-upload-pack --help',
      'git upload-pack; id',
      'scp -t /tmp',
    ]) {
      const result = await run('ssh', [...args, '-p', String(port), `git@${host}`, command]);
      assert.notEqual(result.code, 0, command);
      assert.equal(result.stdout.toString().includes('uid='), false);
      assert.ok(result.stderr.trim() !== '' || result.stdout.length > 0, `nothing was said about ${command}`);
    }
  });

  test('a changed host key would be noticed: the server keeps its own over a restart', async () => {
    const at = await place(ssh);
    await scene.packhorse.restart();
    assert.match(await git(['ls-remote', at.url], as(at)), /refs\/heads\/main/);
  });
});

describe('an expired token', () => {
  const lifetimeMs = 10_000;
  let at: Place;
  let remote: Remote;
  let expiresMs: number;

  before(async () => {
    at = await place(doors[0] ?? assert.fail(), { private: true });
    expiresMs = Date.now() + lifetimeMs;
    const created = (await scene.packhorse.graphql(
      'mutation ($input: CreateTokenInput!) { createToken(input: $input) { secret } }',
      {
        input: {
          login: 'olivia',
          name: 'short',
          scopes: ['REPO_WRITE'],
          expiresAt: new Date(expiresMs).toISOString(),
        },
      },
    )) as { readonly createToken: { readonly secret: string } };
    const { secret } = created.createToken;
    remote = { url: httpUrl(scene.packhorse, 'olivia', secret, `${at.name}.git`), env: {} };
  });

  test('opens nothing from that moment on, although it was just used', async () => {
    assert.match(await git(['ls-remote', remote.url]), /refs\/heads\/main/);
    await delay(Math.max(0, expiresMs - Date.now()) + 1);
    const failed = /fatal: Authentication failed for 'http:.*'\n$/;
    assert.match(await refusedPush(at, remote), failed);
    assert.match(await gitFails(['ls-remote', remote.url]), failed);
  });
});
