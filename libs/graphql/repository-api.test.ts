import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PackhorseError } from '#base';
import { startGraphqlServer, type GraphqlServer } from '#test/graphql-server';

const oid = (number: number): string => number.toString(16).padStart(40, '0');

interface Page {
  readonly nodes: readonly Record<string, unknown>[];
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
}

/** Every item of a paged list of ada/x, by asking for page after page. */
async function allOf(server: GraphqlServer, token: string, field: string, node: string): Promise<unknown[]> {
  const all: unknown[] = [];
  let after: string | null = null;
  for (let page = 0; page < 100; page += 1) {
    const {
      repository: { list },
    }: { repository: { list: Page } } = await server.data(
      `query($after: String) { repository(owner: "ada", name: "x") {
        list: ${field} { nodes { ${node} } pageInfo { endCursor hasNextPage } } } }`,
      { token, variables: { after } },
    );
    all.push(...list.nodes.map((found) => found[node]));
    if (!list.pageInfo.hasNextPage) return all;
    after = list.pageInfo.endCursor;
  }
  throw new Error(`the pages of ${field} do not end`);
}

test('a repository tells what it is and what is in it', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', { commits: 3 });
  const { data, errors } = await server.ask(`{ repository(owner: "ada", name: "x") {
    fullName description visibility objectFormat httpUrl sshUrl
    head { ref branch oid commit { summary author { name date offsetMinutes } parents } }
    tags { nodes { shortName commit { oid } } }
    facts { sizeBytes refs generation }
    commit(revision: "v1") { oid diff { changedFiles addedLines files { status newMode hunks { lines { origin text } } } } }
    nothing: commit(revision: "nowhere") { oid }
    entry(path: "README.md") { kind mode blob { sizeBytes isBinary text } }
    image: entry(path: "logo.png") { blob { sizeBytes isBinary text } }
    directory: entry(path: "src") { kind mode blob { text } }
    missing: entry(path: "nothing") { kind }
    blob(oid: "${'b'.repeat(40)}") { text }
    aheadBehind(revision: "HEAD", upstream: "${oid(1)}") { ahead behind }
    mergeBase(one: "HEAD", other: "${oid(2)}") { oid }
    diff(base: "${oid(1)}", head: "main") { changedFiles }
  } }`);
  assert.equal(errors, undefined);
  assert.deepEqual(data?.['repository'], {
    fullName: 'ada/x',
    description: 'The x of ada',
    visibility: 'PUBLIC',
    objectFormat: 'SHA1',
    httpUrl: `${server.url}/ada/x.git`,
    sshUrl: 'ssh://git@127.0.0.1:2222/ada/x.git',
    head: {
      ref: 'refs/heads/main',
      branch: 'main',
      oid: oid(3),
      commit: {
        summary: 'Change 3',
        author: { name: 'Ada', date: '2023-11-14T22:13:20.000Z', offsetMinutes: 60 },
        parents: [oid(2)],
      },
    },
    tags: { nodes: [{ shortName: 'v1', commit: { oid: oid(3) } }] },
    facts: { sizeBytes: 5_000_000_000, refs: 4, generation: 3 },
    commit: {
      oid: oid(3),
      diff: {
        changedFiles: 1,
        addedLines: 1,
        files: [
          {
            status: 'MODIFIED',
            newMode: '100755',
            hunks: [
              {
                lines: [
                  { origin: 'REMOVED', text: 'Hello' },
                  { origin: 'ADDED', text: '# Grüße' },
                ],
              },
            ],
          },
        ],
      },
    },
    nothing: null,
    entry: { kind: 'FILE', mode: '100644', blob: { sizeBytes: 10, isBinary: false, text: '# Grüße\n' } },
    image: { blob: { sizeBytes: 4_000_000_000, isBinary: true, text: null } },
    directory: { kind: 'TREE', mode: '040000', blob: null },
    missing: null,
    blob: { text: '# Grüße\n' },
    aheadBehind: { ahead: 2, behind: 0 },
    mergeBase: { oid: oid(2) },
    diff: { changedFiles: 1 },
  });
});

test('an empty repository has a branch without a commit', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', {});
  const { data, errors } = await server.ask(
    '{ repository(owner: "ada", name: "x") { head { branch oid commit { oid } } branches { nodes { name } pageInfo { endCursor hasNextPage } } commit { oid } } }',
  );
  assert.equal(errors, undefined);
  assert.deepEqual(data?.['repository'], {
    head: { branch: 'main', oid: null, commit: null },
    branches: { nodes: [], pageInfo: { endCursor: null, hasNextPage: false } },
    commit: null,
  });
  const history = await server.ask('{ repository(owner: "ada", name: "x") { history { nodes { oid } } } }');
  assert.equal(history.errors?.[0]?.extensions.code, 'not_found');
});

test('pages of refs, history and trees lead to every item exactly once', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', { commits: 7 });
  const token = await server.token('ada');
  assert.deepEqual(await allOf(server, token, 'branches(first: 2, after: $after)', 'shortName'), [
    'main',
    'next',
    'old',
  ]);
  assert.deepEqual(await allOf(server, token, 'refs(first: 3, after: $after)', 'name'), [
    'refs/heads/main',
    'refs/heads/next',
    'refs/heads/old',
    'refs/tags/v1',
  ]);
  assert.deepEqual(
    await allOf(server, token, 'history(first: 3, after: $after)', 'oid'),
    [7, 6, 5, 4, 3, 2, 1].map(oid),
  );
  assert.deepEqual(await allOf(server, token, 'tree(first: 2, after: $after)', 'name'), [
    'README.md',
    'logo.png',
    'src',
  ]);
});

test('a cursor of another list is refused', async () => {
  await using server = await startGraphqlServer();
  const agent = await server.repositories.add('ada', 'x', { commits: 7 });
  const first = await server.data<{ repository: { history: Page } }>(
    '{ repository(owner: "ada", name: "x") { history(first: 2) { pageInfo { endCursor } } } }',
  );
  const next = `query($after: String) { repository(owner: "ada", name: "x") {
    history(first: 2, after: $after) { nodes { oid } } } }`;
  agent.commits = 8;
  for (const after of [
    first.repository.history.pageInfo.endCursor,
    'x',
    Buffer.from(`${oid(8)}::-1`).toString('base64url'),
  ]) {
    const { errors } = await server.ask(next, { variables: { after } });
    assert.equal(errors?.[0]?.extensions.code, 'invalid_argument', String(after));
  }
});

test('a private repository is as if it were not there, for anyone who may not read it', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'secret', { isPrivate: true });
  await server.repositories.add('ada', 'open', {});
  const one = (name: string): string => `{ repository(owner: "ada", name: "${name}") { name } }`;
  const list = '{ repositories { nodes { name } } }';
  const bob = await server.token('bob');
  const hidden = await server.ask(one('secret'), { token: bob });
  const missing = await server.ask(one('missing'), { token: bob });
  assert.equal(hidden.errors?.[0]?.extensions.code, 'not_found');
  assert.deepEqual(hidden.errors?.[0]?.message, missing.errors?.[0]?.message);
  assert.deepEqual(
    (await server.ask(one('secret'))).errors?.[0]?.message,
    (await server.ask(one('missing'))).errors?.[0]?.message,
  );
  assert.deepEqual((await server.ask(list)).data, { repositories: { nodes: [{ name: 'open' }] } });
  assert.deepEqual((await server.ask(list, { token: bob })).data, {
    repositories: { nodes: [{ name: 'open' }] },
  });
  const own = await server.ask(list, { token: await server.token('ada', 'repo:read') });
  assert.deepEqual(own.data, { repositories: { nodes: [{ name: 'open' }, { name: 'secret' }] } });
});

test('pages of repositories are in order, and can be of one owner', async () => {
  await using server = await startGraphqlServer();
  for (const name of ['a', 'b', 'c']) {
    await server.repositories.add('ada', name, { commits: 1 });
    await server.repositories.add('bob', name, { commits: 1 });
  }
  const query = `query($after: String, $owner: String) { repositories(first: 4, after: $after, owner: $owner) {
    nodes { fullName head { oid } } pageInfo { endCursor hasNextPage } } }`;
  const ask = async (variables: object): Promise<Page> =>
    (await server.data<{ repositories: Page }>(query, { variables })).repositories;
  const first = await ask({});
  assert.deepEqual(
    first.nodes.map(({ fullName }) => fullName),
    ['ada/a', 'ada/b', 'ada/c', 'bob/a'],
  );
  const second = await ask({ after: first.pageInfo.endCursor });
  assert.deepEqual(
    second.nodes.map(({ fullName }) => fullName),
    ['bob/b', 'bob/c'],
  );
  assert.equal((await ask({ owner: 'bob' })).nodes.length, 3);
});

test('one repository that cannot be opened does not spoil the list', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'a', { commits: 1 });
  const broken = await server.repositories.add('ada', 'b', { commits: 1 });
  broken.head = () => Promise.reject(new PackhorseError('unavailable', 'Its disk is not there.'));
  const { data, errors } = await server.ask('{ repositories { nodes { name head { oid } } } }');
  assert.deepEqual(data, {
    repositories: {
      nodes: [
        { name: 'a', head: { oid: oid(1) } },
        { name: 'b', head: null },
      ],
    },
  });
  assert.deepEqual(
    errors?.map(({ message, extensions }) => [message, extensions.code]),
    [['Its disk is not there.', 'unavailable']],
  );
});

test('a repository is created, changed and deleted by its owner', async () => {
  await using server = await startGraphqlServer();
  const token = await server.token('ada');
  const created = await server.ask(
    `mutation { createRepository(input: { name: "new", visibility: PRIVATE, defaultBranch: "trunk" }) {
      fullName visibility head { branch } } }`,
    { token },
  );
  assert.deepEqual(created.data, {
    createRepository: { fullName: 'ada/new', visibility: 'PRIVATE', head: { branch: 'trunk' } },
  });
  const changed = await server.ask(
    `mutation { updateRepository(input: { owner: "ada", name: "new", newName: "newer", description: "",
      visibility: PUBLIC, defaultBranch: "main" }) { fullName visibility description head { ref } } }`,
    { token },
  );
  assert.deepEqual(changed.data, {
    updateRepository: {
      fullName: 'ada/newer',
      visibility: 'PUBLIC',
      description: '',
      head: { ref: 'refs/heads/main' },
    },
  });
  const remove = 'mutation { deleteRepository(input: { owner: "ada", name: "newer" }) }';
  const asBob = await server.ask(remove, { token: await server.token('bob') });
  assert.equal(asBob.errors?.[0]?.extensions.code, 'permission_denied');
  const removed = await server.ask(remove, { token });
  assert.equal(removed.errors, undefined);
  const gone = await server.ask('{ repository(owner: "ada", name: "newer") { name } }', { token });
  assert.equal(gone.errors?.[0]?.extensions.code, 'not_found');
});

test('a bad default branch leaves the repository as it was', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', { commits: 1 });
  const token = await server.token('ada');
  const { errors } = await server.ask(
    'mutation { updateRepository(input: { owner: "ada", name: "x", visibility: PRIVATE, defaultBranch: "a..b" }) { name } }',
    { token },
  );
  assert.equal(errors?.[0]?.extensions.code, 'invalid_argument');
  const { data } = await server.ask('{ repository(owner: "ada", name: "x") { visibility head { branch } } }');
  assert.deepEqual(data?.['repository'], { visibility: 'PUBLIC', head: { branch: 'main' } });
});

test('nobody creates a repository for somebody else, except administrators', async () => {
  await using server = await startGraphqlServer();
  const query = 'mutation { createRepository(input: { owner: "bob", name: "new" }) { fullName } }';
  const anonymous = await server.ask(query);
  assert.equal(anonymous.errors?.[0]?.extensions.code, 'unauthenticated');
  const ada = await server.ask(query, { token: await server.token('ada') });
  assert.equal(ada.errors?.[0]?.extensions.code, 'permission_denied');
  const root = await server.ask(query, { token: await server.token('root', 'admin') });
  assert.deepEqual(root.data, { createRepository: { fullName: 'bob/new' } });
});

test('a role is granted, seen by those who administer the repository, and taken away', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', { isPrivate: true });
  const token = await server.token('ada');
  const bob = await server.token('bob');
  const grant = `mutation($role: Role) {
    grantRole(input: { owner: "ada", name: "x", login: "bob", role: $role }) { collaborators { login role } } }`;
  const granted = await server.ask(grant, { token, variables: { role: 'WRITER' } });
  assert.deepEqual(granted.data, { grantRole: { collaborators: [{ login: 'bob', role: 'WRITER' }] } });
  const seen = await server.ask('{ repository(owner: "ada", name: "x") { name collaborators { login } } }', {
    token: bob,
  });
  assert.deepEqual(seen.data, { repository: { name: 'x', collaborators: null } });
  assert.equal(seen.errors?.[0]?.extensions.code, 'permission_denied');
  const own = await server.ask(grant, { token: bob, variables: { role: 'ADMIN' } });
  assert.equal(own.errors?.[0]?.extensions.code, 'permission_denied');
  const taken = await server.ask(grant, { token });
  assert.deepEqual(taken.data, { grantRole: { collaborators: [] } });
});

/** Runs a mutation that starts a job. */
async function started(
  server: GraphqlServer,
  token: string,
  mutation: string,
): Promise<{ readonly id: string; readonly kind: string }> {
  const { job } = await server.data<{ job: { id: string; kind: string } }>(mutation, { token });
  return job;
}

/** Asks for the job until it has ended. */
async function finished(server: GraphqlServer, token: string, id: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { job } = await server.data<{ job: Record<string, unknown> }>(
      'query($id: ID!) { job(id: $id) { state error { code message } problems progress { number text isFinished } } }',
      { token, variables: { id } },
    );
    if (job['state'] !== 'RUNNING') return job;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

const startImport = `mutation { job: importRepository(input: { owner: "ada", name: "x", source: "https://example.org/x.git" }) {
  id kind repository state } }`;

test('an import is a job with progress', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', {});
  const token = await server.token('ada');
  const job = await started(server, token, startImport);
  assert.equal(job.kind, 'IMPORT');
  assert.deepEqual(await finished(server, token, job.id), {
    state: 'SUCCEEDED',
    error: null,
    problems: [],
    progress: [
      { number: 0, text: 'Importing from https://example.org/x.git', isFinished: true },
      { number: 1, text: 'Receiving objects: 100% (2/2), done.', isFinished: true },
    ],
  });
  const ofOthers = await server.ask('query($id: ID!) { job(id: $id) { state } }', {
    token: await server.token('bob'),
    variables: { id: job.id },
  });
  assert.deepEqual(ofOthers.data, { job: null });
});

test('an import that may not be is refused at once; one that fails says why', async () => {
  await using server = await startGraphqlServer();
  await server.repositories.add('ada', 'x', {});
  const asBob = await server.ask(startImport, { token: await server.token('bob') });
  assert.equal(asBob.errors?.[0]?.extensions.code, 'permission_denied');
  server.repositories.importing = () =>
    Promise.reject(new PackhorseError('failed_precondition', 'The source cannot be read.'));
  const token = await server.token('ada');
  const { id } = await started(server, token, startImport);
  const job = await finished(server, token, id);
  assert.deepEqual(job['error'], { code: 'failed_precondition', message: 'The source cannot be read.' });
});

test('a verification tells every problem', async () => {
  await using server = await startGraphqlServer();
  const agent = await server.repositories.add('ada', 'x', { commits: 1 });
  agent.problems = ['refs/heads/main names a missing object.'];
  const token = await server.token('ada');
  const query = 'mutation { job: verifyRepository(input: { owner: "ada", name: "x" }) { id kind } }';
  const { id } = await started(server, token, query);
  const job = await finished(server, token, id);
  assert.deepEqual([job['state'], job['problems']], ['SUCCEEDED', agent.problems]);
  const asBob = await server.ask(query, { token: await server.token('bob') });
  assert.equal(asBob.errors?.[0]?.extensions.code, 'permission_denied');
});

test('large and binary files have no text', async () => {
  await using server = await startGraphqlServer({ graphql: { maxBlobTextBytes: 9 } });
  await server.repositories.add('ada', 'x', { commits: 1 });
  const { data } = await server.ask(
    '{ repository(owner: "ada", name: "x") { entry(path: "README.md") { blob { text sizeBytes } } } }',
  );
  assert.deepEqual(data?.['repository'], { entry: { blob: { text: null, sizeBytes: 10 } } });
});
