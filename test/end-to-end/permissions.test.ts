import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { as, httpUrl, sshUrl, type Remote } from '#test/doors';
import { commitFiles, git, newWorkTree, tryGit } from '#test/git';
import { Packhorse, type Person } from '#test/packhorse';

/**
 * Who may do what, through both doors: every actor tries to fetch from and to push to a public, a
 * private and a missing repository. The table is the specification.
 */

type Place = 'public' | 'private' | 'missing';
/** `login`: credentials are asked for or refused; `hidden`: as if it did not exist; `denied`: it is told that this is not allowed. */
type Outcome = 'ok' | 'login' | 'hidden' | 'denied';

interface Row {
  readonly actor: string;
  readonly fetch: Readonly<Record<Place, Outcome>>;
  readonly push: Readonly<Record<Place, Outcome>>;
}

const row = (actor: string, fetch: readonly Outcome[], push: readonly Outcome[]): Row => {
  const places = ([open = 'login', hidden = 'login', missing = 'login']: readonly Outcome[]): Record<
    Place,
    Outcome
  > => ({
    public: open,
    private: hidden,
    missing,
  });
  return { actor, fetch: places(fetch), push: places(push) };
};

const matrix: readonly Row[] = [
  //                      fetch from public, private, missing      push to public, private, missing
  row('anonymous', ['ok', 'login', 'login'], ['login', 'login', 'login']),
  row('stranger', ['ok', 'hidden', 'hidden'], ['denied', 'hidden', 'hidden']),
  row('reader', ['ok', 'ok', 'hidden'], ['denied', 'denied', 'hidden']),
  row('writer', ['ok', 'ok', 'hidden'], ['ok', 'ok', 'hidden']),
  row('repository admin', ['ok', 'ok', 'hidden'], ['ok', 'ok', 'hidden']),
  row('owner', ['ok', 'ok', 'hidden'], ['ok', 'ok', 'hidden']),
  row('site admin', ['ok', 'ok', 'hidden'], ['ok', 'ok', 'hidden']),
  row('site admin, everyday token', ['ok', 'hidden', 'hidden'], ['denied', 'hidden', 'hidden']),
  // Git offers what it has only when it is asked, and a public repository does not ask.
  row('expired token', ['ok', 'login', 'login'], ['login', 'login', 'login']),
  row('revoked token', ['ok', 'login', 'login'], ['login', 'login', 'login']),
  row('read-only token', ['ok', 'ok', 'hidden'], ['denied', 'denied', 'hidden']),
];

let packhorse: Packhorse;
let workTree: string;
const people = new Map<string, Person>();
/** Ways in that only HTTP knows. */
const secrets = new Map<string, { readonly login: string; readonly secret: string }>();
const repositories: Readonly<Record<Place, string>> = {
  public: 'oscar/open',
  private: 'oscar/hidden',
  missing: 'oscar/nothing',
};

async function createPeople(): Promise<void> {
  const logins = {
    stranger: 'sam',
    reader: 'rita',
    writer: 'will',
    'repository admin': 'ada',
    owner: 'oscar',
  };
  for (const [actor, login] of Object.entries(logins)) people.set(actor, await packhorse.createPerson(login));
  const admin = await packhorse.createPerson('alice', { admin: true });
  people.set('site admin', { ...admin, token: await packhorse.createToken('alice', 'admin') });
  secrets.set('site admin, everyday token', { login: 'alice', secret: admin.token });
  await packhorse.createRepository(repositories.public);
  await packhorse.createRepository(repositories.private, { private: true });
  for (const name of [repositories.public, repositories.private]) {
    await packhorse.grant(name, 'rita', 'READER');
    await packhorse.grant(name, 'will', 'WRITER');
    await packhorse.grant(name, 'ada', 'ADMIN');
  }
}

async function createSecrets(): Promise<void> {
  const create = async (
    scope: string,
    expiresAt?: Date,
  ): Promise<{ readonly secret: string; readonly id: string }> => {
    const answer = (await packhorse.graphql(
      'mutation ($input: CreateTokenInput!) { createToken(input: $input) { secret token { id } } }',
      {
        input: {
          login: 'oscar',
          name: 'test',
          scopes: [scope],
          ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
        },
      },
    )) as { readonly createToken: { readonly secret: string; readonly token: { readonly id: string } } };
    return { secret: answer.createToken.secret, id: answer.createToken.token.id };
  };
  const login = 'oscar';
  secrets.set('read-only token', { login, secret: (await create('REPO_READ')).secret });
  const expiresAt = new Date(Date.now() + 5_000);
  secrets.set('expired token', { login, secret: (await create('REPO_WRITE', expiresAt)).secret });
  const revoked = await create('REPO_WRITE');
  // Used once before, so that nothing that was remembered of it may help.
  const url = httpUrl(packhorse, 'oscar', revoked.secret, `${repositories.private}.git`);
  await git(['ls-remote', url]);
  await packhorse.graphql('mutation ($input: RevokeTokenInput!) { revokeToken(input: $input) }', {
    input: { login: 'oscar', id: revoked.id },
  });
  secrets.set('revoked token', { login, secret: revoked.secret });
  await new Promise((resolve) => void setTimeout(resolve, Math.max(1, expiresAt.getTime() - Date.now() + 1)));
}

before(async () => {
  packhorse = await Packhorse.start();
  await createPeople();
  await createSecrets();
  workTree = await newWorkTree();
  const owner = people.get('owner') ?? assert.fail();
  for (const name of [repositories.public, repositories.private]) {
    await git(['push', '--quiet', httpUrl(packhorse, owner.login, owner.token, `${name}.git`), 'main'], {
      cwd: workTree,
    });
  }
});
after(() => packhorse[Symbol.asyncDispose]());

function httpRemote(actor: string, place: Place): Remote {
  const path = `${repositories[place]}.git`;
  const person = people.get(actor);
  const way = secrets.get(actor);
  if (person !== undefined) return { url: httpUrl(packhorse, person.login, person.token, path), env: {} };
  if (way !== undefined) return { url: httpUrl(packhorse, way.login, way.secret, path), env: {} };
  return { url: `${packhorse.httpUrl}/${path}`, env: {} };
}

/** Who has neither a key nor is anonymous does not exist over SSH: tokens are for HTTP. */
async function sshRemote(actor: string, place: Place): Promise<Remote | undefined> {
  if (secrets.has(actor)) return undefined;
  const known = await packhorse.knownHosts();
  return {
    url: sshUrl(packhorse, `${repositories[place]}.git`),
    env: known.gitEnvironment(people.get(actor)?.key),
  };
}

const outcomes: readonly (readonly [Outcome, RegExp])[] = [
  ['login', /could not read Username|Authentication failed|Permission denied \(publickey/],
  ['denied', /You may not push to this repository\.|Your access token does not have the scope for this\./],
  ['hidden', /There is no such repository, or you may not see it\./],
];

function outcomeOf(result: { readonly code: number | null; readonly stderr: string }): Outcome {
  if (result.code === 0) return 'ok';
  const found = outcomes.find(([, pattern]) => pattern.test(result.stderr));
  return found?.[0] ?? assert.fail(`what is this? ${result.stderr}`);
}

async function tryFetch(remote: Remote): Promise<Outcome> {
  return outcomeOf(await tryGit(['ls-remote', remote.url], as(remote)));
}

/** Pushes a new branch; what was told must be what happened. */
async function tryPush(remote: Remote, place: Place, branch: string): Promise<Outcome> {
  await commitFiles(workTree, { [branch]: 'x\n' });
  const outcome = outcomeOf(
    await tryGit(['push', remote.url, `main:${branch}`], as(remote, { cwd: workTree })),
  );
  if (place !== 'missing') {
    const owner = httpRemote('owner', place);
    const there = await git(['ls-remote', owner.url, `refs/heads/${branch}`]);
    assert.equal(there !== '', outcome === 'ok', `${branch}: told ${outcome}, but the branch is ${there}`);
  }
  return outcome;
}

for (const { actor, fetch, push } of matrix) {
  describe(actor, () => {
    for (const place of ['public', 'private', 'missing'] as const) {
      test(`over http, ${place}: fetch ${fetch[place]}, push ${push[place]}`, async () => {
        const remote = httpRemote(actor, place);
        assert.equal(await tryFetch(remote), fetch[place]);
        assert.equal(await tryPush(remote, place, `http-${actor.replaceAll(/\W+/g, '-')}`), push[place]);
      });
    }
    if (/token/.test(actor)) return;
    for (const place of ['public', 'private', 'missing'] as const) {
      // SSH knows no anonymous visitors: whoever has no key of ours is asked for one.
      const expected =
        actor === 'anonymous'
          ? { fetch: 'login', push: 'login' }
          : { fetch: fetch[place], push: push[place] };
      test(`over ssh, ${place}: fetch ${expected.fetch}, push ${expected.push}`, async () => {
        const remote = (await sshRemote(actor, place)) ?? assert.fail();
        assert.equal(await tryFetch(remote), expected.fetch);
        assert.equal(await tryPush(remote, place, `ssh-${actor.replaceAll(/\W+/g, '-')}`), expected.push);
      });
    }
  });
}

test('a role that was taken away no longer opens anything', async () => {
  const reader = people.get('reader') ?? assert.fail();
  const remote: Remote = {
    url: httpUrl(packhorse, reader.login, reader.token, `${repositories.private}.git`),
    env: {},
  };
  assert.equal(await tryFetch(remote), 'ok');
  await packhorse.graphql('mutation ($input: GrantRoleInput!) { grantRole(input: $input) { name } }', {
    input: { owner: 'oscar', name: 'hidden', login: reader.login, role: null },
  });
  assert.equal(await tryFetch(remote), 'hidden');
  assert.equal(await tryFetch((await sshRemote('reader', 'private')) ?? assert.fail()), 'hidden');
});
