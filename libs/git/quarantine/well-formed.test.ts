import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKind } from '../reader.ts';
import { newBareRepository } from '#test/disk-repository';
import { git, tryGit } from '#test/git';
import { isPlainlyWellFormed, isPlainSpecial, isSpecialName } from './well-formed.ts';

interface Sample {
  readonly kind: ObjectKind;
  readonly bytes: Buffer;
  /** Whether no look by git is needed. Absent where either is right as long as git agrees. */
  readonly plain?: boolean;
}

const person = 'A U Thor <author@example.org> 1700000000 +0100';

function commits(tree: string): Sample[] {
  const commit = (author: string, committer = person, rest = '\nmessage\n'): Buffer =>
    Buffer.from(`tree ${tree}\nauthor ${author}\ncommitter ${committer}\n${rest}`);
  const good = [
    commit(person),
    commit(' <a@b> 0 +0000'),
    commit('J\u00f6rg <> 1 -1130'),
    commit(person, person, 'encoding ISO-8859-1\n\nx'),
    commit(person, person, 'gpgsig -----BEGIN\n abc\n -----END\n\nsigned\n'),
    commit(person, person, '\n'),
  ];
  const bad = [
    commit('<a@b> 1 +0000'),
    commit('A<a@b> 1 +0000'),
    commit('A <a@b 1 +0000'),
    commit('A <a@b> 01 +0000'),
    commit('A <a@b> +0000'),
    commit('A <a@b> 1 +00000'),
    commit('A <a@b> 1 0000'),
    commit('A <a@b>1 +0000'),
    commit('A > <a@b> 1 +0000'),
    commit('A <a@b> 99999999999999999999 +0000'),
    commit(person, 'C 1 +0000'),
    commit(person, `${person}\ncommitter ${person}`, ''),
    commit(person, person, '\nnul \0 in it\n'),
    Buffer.from(`author ${person}\ncommitter ${person}\n\nx`),
    Buffer.from(`tree ${tree.slice(1)}\nauthor ${person}\ncommitter ${person}\n\nx`),
    Buffer.from(`tree ${tree}\nparent abc\nauthor ${person}\ncommitter ${person}\n\nx`),
    Buffer.from(`tree ${tree}\ncommitter ${person}\nauthor ${person}\n\nx`),
    Buffer.from(`tree ${tree}\nauthor ${person}\nauthor ${person}\ncommitter ${person}\n\nx`),
  ];
  return [
    ...good.map((bytes) => ({ kind: 'commit', bytes, plain: true }) as const),
    ...bad.map((bytes) => ({ kind: 'commit', bytes, plain: false }) as const),
  ];
}

function tags(target: string): Sample[] {
  const tag = (name: string, tagger: string, kind = 'commit'): Buffer =>
    Buffer.from(`object ${target}\ntype ${kind}\ntag ${name}\n${tagger}\nmessage\n`);
  return [
    { kind: 'tag', bytes: tag('v1.0-rc/x', `tagger ${person}\n`), plain: true },
    { kind: 'tag', bytes: tag('v1', ''), plain: false },
    { kind: 'tag', bytes: tag('v..1', `tagger ${person}\n`), plain: false },
    { kind: 'tag', bytes: tag('v1', `tagger ${person}\nextra header\n`), plain: false },
    { kind: 'tag', bytes: tag('v1', 'tagger nobody\n'), plain: false },
    { kind: 'tag', bytes: tag('v1', `tagger ${person}\n`, 'thing'), plain: false },
  ];
}

function trees(blob: string, tree: string): Sample[] {
  const of = (...entries: readonly (readonly [mode: string, name: string])[]): Buffer =>
    Buffer.concat(
      entries.flatMap(([mode, name]) => [
        Buffer.from(`${mode} ${name}\0`, 'latin1'),
        Buffer.from(mode === '40000' ? tree : blob, 'hex'),
      ]),
    );
  const file = (name: string): Buffer => of(['100644', name]);
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  const plain = [
    of(),
    of(['100644', 'a'], ['100755', 'b'], ['40000', 'c'], ['120000', 'd']),
    of(['100644', 'a-b'], ['40000', 'a'], ['100644', 'a0']),
    file('.github'),
    file('.gitkeep'),
    file('.gitlab-ci.yml'),
    file(utf8('\u6587\u4ef6 \u00fc')),
    file('a:b'.replace(':', ';')),
    file('caf\xe9'),
    file('.gitx'),
    file('git'),
    file('back\\slash'),
    file(':(top)magic'),
    file(utf8('a \u2192 b')),
  ];
  const git = [
    '.git',
    '.GIT',
    '.Git ',
    '.git.',
    '.git. .',
    'git~1',
    'GIT~1',
    '.git::$INDEX_ALLOCATION',
    '.git\\x',
  ];
  const others = [
    ...git.map(file),
    file('.'),
    file('..'),
    file(''),
    file('a/b'),
    file(utf8('.g\u200cit')),
    file(utf8('\ufeff.git')),
    file('x'.repeat(5000)),
    of(['0100644', 'a']),
    of(['100664', 'a']),
    of(['100600', 'a']),
    of(['40000', 'a'], ['100644', 'a']),
    of(['100644', 'a'], ['100644', 'a']),
    of(['100644', 'a'], ['100644', 'a-b'], ['40000', 'a']),
    of(['100644', 'b'], ['100644', 'a']),
    of(['40000', 'a'], ['100644', 'a-b']),
    Buffer.from('100644 truncated'),
    Buffer.concat([Buffer.from('100644 zero\0'), Buffer.alloc(20)]),
  ];
  return [
    ...plain.map((bytes) => ({ kind: 'tree', bytes, plain: true }) as const),
    ...others.map((bytes) => ({ kind: 'tree', bytes, plain: false }) as const),
  ];
}

test('what is taken for well-formed is nothing that git fsck complains about', async () => {
  const bare = await newBareRepository();
  const write = async (kind: ObjectKind, input: Buffer | string): Promise<string> =>
    (await tryGit(['hash-object', '-w', '--literally', '-t', kind, '--stdin'], { cwd: bare, input })).stdout
      .toString()
      .trim();
  const blob = await write('blob', 'content');
  const tree = await write('tree', '');
  const head = await write('commit', `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nfirst\n`);
  const samples = [...commits(tree), ...tags(head), ...trees(blob, tree)];
  const oids: string[] = [];
  for (const { kind, bytes } of samples) oids.push(await write(kind, bytes));
  const said = await tryGit(['fsck', '--strict', '--no-dangling', '--no-progress'], { cwd: bare });
  const complaints = `${said.stdout.toString()}${said.stderr}`;
  let complained = 0;
  for (const [index, { kind, bytes, plain }] of samples.entries()) {
    const shown = JSON.stringify(bytes.toString('latin1').slice(0, 200));
    const isPlain = isPlainlyWellFormed({ kind, bytes }, 'sha1');
    assert.equal(isPlain, plain, `${kind} ${shown}`);
    const isComplaint = complaints.includes(oids[index] ?? '');
    if (isComplaint) complained += 1;
    assert.ok(!isPlain || !isComplaint, `${kind} ${shown}: ${complaints}`);
  }
  assert.ok(complained > 20, complaints);
  await git(['count-objects'], { cwd: bare });
});

test('special names are those that git looks behind', () => {
  for (const name of [
    '.gitmodules',
    '.GITMODULES',
    '.gitmodules ',
    '.gitattributes',
    '.gitignore',
    '.mailmap',
  ])
    assert.ok(isSpecialName(name), name);
  for (const name of ['.github', '.gitkeep', 'gitmodules', 'x.gitmodules'])
    assert.ok(!isSpecialName(name), name);
  assert.ok(isPlainSpecial('.gitignore', '100644', undefined));
  assert.ok(!isPlainSpecial('.gitignore', '120000', undefined));
  assert.ok(!isPlainSpecial('.gitmodules', '100644', Buffer.from('')));
  assert.ok(!isPlainSpecial('.gitattributes', '100644', undefined));
  assert.ok(isPlainSpecial('.gitattributes', '100644', Buffer.from('* text=auto\n')));
  assert.ok(!isPlainSpecial('.gitattributes', '100644', Buffer.from(`a\n${'x'.repeat(2048)}`)));
});
