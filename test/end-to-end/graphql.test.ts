import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { git, refsOf } from '#test/git';
import { Packhorse, type Person } from '#test/packhorse';
import { generated } from './scene.ts';

/** The API against what real git says about the same repository. */

let server: Packhorse;
let source: string;
let ada: Person;

const name = 'ada/project';
const repository = (fields: string): string => `{ repository(owner: "ada", name: "project") { ${fields} } }`;

before(async () => {
  [server, source] = await Promise.all([Packhorse.start(), generated()]);
  ada = await server.createPerson('ada');
  await server.cli(['repo', 'import', source, name, '--private']);
});
after(() => server[Symbol.asyncDispose]());

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[];
}

async function ask<Data>(query: string, authorization?: string): Promise<Answer<Data>> {
  const response = await fetch(`${server.httpUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as Answer<Data>;
}

/** What the owner is told about the repository. */
async function told<Fields>(fields: string): Promise<Fields> {
  const { data, errors } = await ask<{ repository: Fields }>(repository(fields), `Bearer ${ada.token}`);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data?.repository ?? assert.fail();
}

/** Lines of git's answer about the source. */
async function lines(...args: readonly string[]): Promise<readonly string[]> {
  const text = await git(args, { cwd: source });
  return text === '' ? [] : text.split('\n');
}

interface Page<Node> {
  readonly list: {
    readonly nodes: readonly Node[];
    readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean };
  };
}

/** All items of a list, in pages of `first`. */
async function all<Node>(field: string, args: string, node: string, first: number): Promise<Node[]> {
  const nodes: Node[] = [];
  let after = '';
  for (;;) {
    const { list }: Page<Node> = await told(
      `list: ${field}(first: ${first}${args}${after}) { nodes { ${node} } pageInfo { endCursor hasNextPage } }`,
    );
    assert.ok(list.nodes.length <= first);
    nodes.push(...list.nodes);
    if (!list.pageInfo.hasNextPage) return nodes;
    after = `, after: "${list.pageInfo.endCursor}"`;
  }
}

test('refs are those of the repository, in any page size', async () => {
  const expected = await lines('show-ref', '--dereference');
  for (const first of [3, 100]) {
    const refs = await all<{ oid: string; name: string; peeledOid: string | null }>(
      'refs',
      '',
      'oid name peeledOid',
      first,
    );
    assert.deepEqual(
      refs.flatMap(({ oid, name, peeledOid }) => [
        `${oid} ${name}`,
        ...(peeledOid === null ? [] : [`${peeledOid} ${name}^{}`]),
      ]),
      expected,
    );
  }
  assert.equal(await refsOf(await server.repositoryPath(name)), await refsOf(source));
});

test('history is that of git log, of everything and of one path', async () => {
  const commits = await all<{ oid: string }>('history', '', 'oid', 77);
  assert.deepEqual(
    commits.map(({ oid }) => oid),
    await lines('log', '--format=%H', 'HEAD'),
  );
  const [path = ''] = await lines('log', '--format=', '--name-only', '-1', '--no-merges', '--diff-filter=M');
  const ofPath = await all<{ oid: string }>('history', `, path: ${JSON.stringify(path)}`, 'oid', 7);
  assert.deepEqual(
    ofPath.map(({ oid }) => oid),
    await lines('log', '--format=%H', 'HEAD', '--', path),
  );
});

test('a commit has the fields and the diff that git shows', async () => {
  const [oid = ''] = await lines('log', '--format=%H', '-1', '--no-merges');
  const { commit } = await told<{
    commit: {
      treeOid: string;
      parents: string[];
      author: { name: string; email: string; date: string };
      summary: string;
      diff: { files: { newPath: string; addedLines: number; removedLines: number; isBinary: boolean }[] };
    };
  }>(
    `commit(revision: "${oid}") { treeOid parents author { name email date } summary
      diff { files { newPath addedLines removedLines isBinary } } }`,
  );
  const [expected = ''] = await lines('log', '-1', '--format=%T %P|%an|%ae|%at|%s', oid);
  const { treeOid, parents, author, summary } = commit;
  assert.equal(
    [
      `${treeOid} ${parents.join(' ')}`,
      author.name,
      author.email,
      Date.parse(author.date) / 1000,
      summary,
    ].join('|'),
    expected,
  );
  const counted = commit.diff.files.map((file) =>
    file.isBinary ? `-\t-\t${file.newPath}` : `${file.addedLines}\t${file.removedLines}\t${file.newPath}`,
  );
  const numstat = await git(['diff-tree', '-r', '-z', '-M', '--numstat', '--no-commit-id', oid], {
    cwd: source,
  });
  const entries = numstat.split('\0').filter((entry) => /^(\d+|-)\t(\d+|-)\t./.test(entry));
  assert.ok(entries.length > 0);
  for (const entry of entries) assert.ok(counted.includes(entry), `${entry} in ${counted.join(', ')}`);
});

test('trees and files are those of git', async () => {
  const entries = await all<{ mode: string; oid: string; name: string }>('tree', '', 'mode oid name', 5);
  const listing = await git(['ls-tree', '-z', 'HEAD'], { cwd: source });
  assert.deepEqual(
    entries.map(({ mode, oid, name }) => `${mode} ${oid} ${name}`),
    listing
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => line.replace(/^(\d+) \w+ (\w+)\t/, '$1 $2 ')),
  );
  const [file = ''] = await lines('ls-tree', '-r', '--name-only', 'HEAD');
  const { entry } = await told<{ entry: { blob: { text: string; sizeBytes: number } } }>(
    `entry(path: ${JSON.stringify(file)}) { blob { text sizeBytes } }`,
  );
  const content = await git(['cat-file', 'blob', `HEAD:${file}`], { cwd: source });
  assert.equal(entry.blob.text.replace(/\n$/, ''), content);
});

test('ahead, behind and the merge base are those of git', async () => {
  const branches = await lines('for-each-ref', '--format=%(refname:short)', 'refs/heads');
  for (const branch of branches.slice(0, 5)) {
    const { aheadBehind, mergeBase } = await told<{
      aheadBehind: { ahead: number; behind: number };
      mergeBase: { oid: string } | null;
    }>(
      `aheadBehind(revision: "${branch}", upstream: "HEAD") { ahead behind }
       mergeBase(one: "${branch}", other: "HEAD") { oid }`,
    );
    const [counts] = await lines('rev-list', '--left-right', '--count', `${branch}...HEAD`);
    assert.equal(`${aheadBehind.ahead}\t${aheadBehind.behind}`, counts, branch);
    const [base] = await lines('merge-base', branch, 'HEAD');
    assert.equal(mergeBase?.oid, base, branch);
  }
});

test('nobody else is told that the repository is there', async () => {
  const bob = await server.createPerson('bob');
  const code = async (authorization?: string): Promise<string | undefined> =>
    (await ask(repository('name'), authorization)).errors?.[0]?.extensions.code;
  assert.equal(await code(), 'unauthenticated');
  assert.equal(await code(`Bearer ${bob.token}`), 'not_found');
  assert.equal(await code(`Basic ${Buffer.from(`ada:${ada.password}`).toString('base64')}`), undefined);
  assert.equal(await code('Bearer nonsense'), 'unauthenticated');
  const list = await ask<{ repositories: { nodes: unknown[] } }>(
    '{ repositories { nodes { name } } }',
    `Bearer ${bob.token}`,
  );
  assert.deepEqual(list.data?.repositories.nodes, []);
  await server.grant(name, 'bob', 'READER');
  assert.equal(await code(`Bearer ${bob.token}`), undefined);
});

test('a missing path, a missing revision and a bad object id say so', async () => {
  for (const [fields, code] of [
    ['tree(path: "no/such") { nodes { name } }', 'not_found'],
    ['history(revision: "no-such") { nodes { oid } }', 'not_found'],
    [`blob(oid: "${'0'.repeat(39)}1") { text }`, 'not_found'],
    ['blob(oid: "zzz") { text }', 'invalid_argument'],
    ['tree(path: "../..") { nodes { name } }', 'not_found'],
  ] as const) {
    const { errors } = await ask(repository(fields), `Bearer ${ada.token}`);
    const found = errors?.[0]?.extensions.code;
    assert.ok(found === code || found === 'invalid_argument', `${fields}: ${JSON.stringify(errors)}`);
  }
});
