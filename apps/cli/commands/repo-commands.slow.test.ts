import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PackhorseError } from '#base';
import { cliEnvironment, packhorse } from '#test/cli';
import { CliSession } from '#test/cli-session';
import { startProcess } from '#test/processes';

let session: CliSession;
before(async () => {
  session = await CliSession.start();
});
after(() => session[Symbol.asyncDispose]());

test('a repository is created, listed, described, changed and deleted', async () => {
  const created = await session.text([
    'repo',
    'create',
    'ada/tools',
    '--private',
    '--description',
    'Grüße\u001b[31m',
  ]);
  assert.equal(
    created,
    `Created ada/tools (private).\n  ${session.server.url}/ada/tools.git\n  ssh://git@127.0.0.1:2222/ada/tools.git\n`,
  );
  const listed = await session.text(['repo', 'list', '--owner', 'ada']);
  assert.match(
    listed,
    /^REPOSITORY +VISIBILITY +CREATED +DESCRIPTION\nada\/tools +private +2023-11-14 22:13 +Grüße\ufffd\[31m\n$/,
  );
  const { id, ...described } = await session.json<{ id: string }>(['repo', 'info', 'ada/tools.git']);
  assert.match(id, /^[0-9a-z]{26}$/);
  assert.deepEqual(described, {
    repository: 'ada/tools',
    description: 'Grüße\u001b[31m',
    visibility: 'private',
    httpUrl: `${session.server.url}/ada/tools.git`,
    sshUrl: 'ssh://git@127.0.0.1:2222/ada/tools.git',
    createdAt: '2023-11-14T22:13:20.000Z',
    objectFormat: 'sha1',
    defaultBranch: 'main',
    headOid: null,
    refs: 0,
    sizeBytes: 5_000_000_000,
    packs: 1,
    looseObjects: 2,
    generation: 0,
    maintenance: {
      lastRunAt: '2023-11-14T22:13:20.000Z',
      lastFailure: null,
      bitmap: 'pack',
      commitsInGraph: 0,
      commitsOutsideGraph: 0,
      unreachableObjects: 0,
      garbageFiles: 0,
      garbageBytes: 0,
    },
  });
  const changed = await session.json<Record<string, unknown>>([
    'repo',
    'edit',
    'ada/tools',
    '--name',
    'kit',
    '--description',
    '',
    '--public',
    '--default-branch',
    'trunk',
  ]);
  assert.deepEqual(
    [changed['repository'], changed['description'], changed['visibility']],
    ['ada/kit', '', 'public'],
  );
  assert.match(
    await session.text(['repo', 'info', 'ada/kit']),
    /Default branch +trunk \(empty\)\n(.*\n)*Size +5\.0 GB/,
  );
  assert.match(await session.refusal(['repo', 'info', 'ada/tools'], 1), /no such repository/);
  assert.match(await session.refusal(['repo', 'delete', 'ada/kit'], 2), /--yes/);
  assert.equal(await session.text(['repo', 'delete', 'ada/kit', '--yes']), 'Deleted ada/kit.\n');
  assert.match(await session.refusal(['repo', 'delete', 'ada/kit', '--yes'], 1), /no such repository/);
});

test('creating what is there, or for nobody, or under no name, is refused', async () => {
  await session.server.repositories.add('ada', 'there', {});
  assert.match(await session.refusal(['repo', 'create', 'ada/there'], 1), /already a repository/);
  assert.match(await session.refusal(['repo', 'create', 'nobody/new'], 1), /no such owner/);
  assert.match(await session.refusal(['repo', 'create', 'new'], 2), /OWNER\/NAME/);
  assert.match(
    await session.refusal(['repo', 'create', 'ada/new', '--object-format', 'md5'], 2),
    /sha1 or sha256/,
  );
  assert.match(await session.refusal(['repo', 'edit', 'ada/there'], 2), /Say what to change/);
  assert.match(await session.refusal(['repo', 'edit', 'ada/there', '--private', '--public'], 2), /exclude/);
});

test('on a terminal, deleting asks, and does nothing without a yes', async () => {
  await session.server.repositories.add('ada', 'precious', {});
  for (const [answer, code] of [
    ['\r', 1],
    ['no\r', 1],
    ['y\r', 0],
  ] as const) {
    await using asked = session.onTerminal('repo delete ada/precious');
    await asked.waitFor(/Delete ada\/precious and everything in it\?.*\[y\/N\] /);
    asked.child.stdin?.write(answer);
    assert.equal((await asked.exited).code, code, asked.stdout);
    assert.match(asked.stdout, code === 0 ? /Deleted ada\/precious/ : /Nothing was deleted/);
  }
});

test('more repositories than fit on a page are all listed', async () => {
  const names = Array.from({ length: 105 }, (_, index) => `r${String(index).padStart(3, '0')}`);
  for (const name of names) await session.server.repositories.add('bob', name, {});
  const listed = await session.json<{ repository: string }[]>(['repo', 'list', '--owner', 'bob']);
  assert.deepEqual(
    listed.map(({ repository }) => repository),
    names.map((name) => `bob/${name}`),
  );
});

test('a role is granted and taken away', async () => {
  await session.server.repositories.add('ada', 'shared', { isPrivate: true });
  assert.deepEqual(await session.json(['repo', 'grant', 'ada/shared', 'bob', 'writer']), [
    { login: 'bob', role: 'writer' },
  ]);
  assert.equal(
    await session.text(['repo', 'grant', 'ada/shared', 'ada', 'reader']),
    'LOGIN  ROLE\nbob    writer\nada    reader\n',
  );
  assert.deepEqual(await session.json(['repo', 'grant', 'ada/shared', 'bob', 'none']), [
    { login: 'ada', role: 'reader' },
  ]);
  assert.match(
    await session.refusal(['repo', 'grant', 'ada/shared', 'bob', 'owner'], 2),
    /reader, writer, admin, none/,
  );
  assert.match(await session.refusal(['repo', 'grant', 'ada/shared', 'nobody', 'admin'], 1), /no such user/);
});

test('an import creates the repository and shows its progress on standard error', async () => {
  const { code, stdout, stderr } = await session.run([
    'repo',
    'import',
    'https://example.org/x.git',
    'ada/imported',
    '--private',
    '--description',
    'Copied',
  ]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'Imported ada/imported: 4 refs, 5.0 GB.\n');
  assert.equal(
    stderr,
    'Created ada/imported.\nImporting from https://example.org/x.git\nReceiving objects: 100% (2/2), done.\n',
  );
  const info = await session.json<Record<string, unknown>>(['repo', 'info', 'ada/imported']);
  assert.deepEqual([info['visibility'], info['description'], info['refs']], ['private', 'Copied', 4]);
});

test('an import into an empty repository leaves what it is', async () => {
  await session.server.repositories.add('ada', 'empty', { isPrivate: true });
  const imported = await session.json<Record<string, unknown>>([
    'repo',
    'import',
    'git://example.org/x',
    'ada/empty',
  ]);
  assert.deepEqual([imported['visibility'], imported['headOid']], ['private', '3'.padStart(40, '0')]);
});

test('an import shows what it says while it runs, and rewrites the line on a terminal', async () => {
  const original = session.server.repositories.importing;
  const gate = Promise.withResolvers<void>();
  session.server.repositories.importing = async (_source, onProgress) => {
    onProgress('Receiving:  10%\r');
    await gate.promise;
    onProgress('Receiving: 100%\nremote: \u001b[2Jhello\n');
  };
  await using importing = session.onTerminal('repo import https://example.org/x ada/slow');
  try {
    await importing.waitFor(/Receiving: {2}10%$/);
    gate.resolve();
    assert.equal((await importing.exited).code, 0);
    // eslint-disable-next-line no-control-regex -- the terminal's own sequences
    assert.match(importing.stdout, /10%\r\u001b\[KReceiving: 100%\r\nremote: \ufffd\[2Jhello\r\n/);
  } finally {
    session.server.repositories.importing = original;
  }
});

test('an import that is interrupted says that it goes on', async () => {
  const original = session.server.repositories.importing;
  const gate = Promise.withResolvers<void>();
  session.server.repositories.importing = (_source, onProgress) => {
    onProgress('Begun\n');
    return gate.promise;
  };
  await using importing = startProcess(packhorse, ['repo', 'import', 'https://example.org/x', 'ada/long'], {
    env: cliEnvironment(session.env),
  });
  try {
    await importing.waitFor(/Begun/, { stream: 'stderr' });
    importing.child.kill('SIGINT');
    assert.deepEqual(await importing.exited, { code: 130, signal: null });
    assert.match(importing.stderr, /goes on on the server/);
  } finally {
    gate.resolve();
    session.server.repositories.importing = original;
  }
});

test('a failed import says why, and what became of the new repository', async () => {
  const original = session.server.repositories.importing;
  session.server.repositories.importing = () =>
    Promise.reject(new PackhorseError('failed_precondition', 'The source cannot be read.'));
  try {
    const { code, stdout, stderr } = await session.run([
      'repo',
      'import',
      'https://example.org/x',
      'ada/failed',
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^Created ada\/failed\.\npackhorse: The source cannot be read\. \(ada\/failed stays/,
    );
    const again = await session.refusal(['repo', 'import', 'https://example.org/x', 'ada/failed'], 1);
    assert.equal(again, 'packhorse: The source cannot be read.');
  } finally {
    session.server.repositories.importing = original;
  }
});

test('a source that no server could read is a wrong command line', async () => {
  assert.match(await session.refusal(['repo', 'import', 'git@example.org:x.git', 'ada/ssh'], 2), /SSH/);
  assert.match(await session.refusal(['repo', 'import', 'https://example.org/x'], 2), /argument/);
});

test('a check tells every problem and fails when there is one', async () => {
  const agent = await session.server.repositories.add('ada', 'sound', { commits: 1 });
  assert.equal(await session.text(['repo', 'verify', 'ada/sound']), 'ada/sound is sound.\n');
  agent.problems = ['a missing object', 'a broken ref'];
  const { code, stdout, stderr } = await session.run(['repo', 'verify', 'ada/sound']);
  assert.deepEqual([code, stdout], [1, 'a missing object\na broken ref\n']);
  assert.match(stderr, /2 problem/);
  const asJson = await session.run(['repo', 'verify', 'ada/sound', '--json']);
  assert.equal(asJson.code, 1);
  assert.deepEqual(JSON.parse(asJson.stdout), { repository: 'ada/sound', problems: agent.problems });
});

test('maintenance shows how it goes, and what it left', async () => {
  await session.server.repositories.add('ada', 'kept', { commits: 1 });
  const { code, stdout, stderr } = await session.run(['repo', 'maintain', 'ada/kept']);
  assert.deepEqual([code, stdout], [0, 'Maintained ada/kept: 1 packs, 5.0 GB.\n']);
  assert.match(stderr, /Packing everything/);
  const info = await session.text(['repo', 'info', 'ada/kept']);
  assert.match(info, /^Bitmap +pack$/m);
  assert.match(info, /^Commit-graph +1 commits, 0 not in it$/m);
  assert.match(info, /^Maintained +2023-11-14 22:13$/m);
});
