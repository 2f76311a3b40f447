import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseCommand } from './command.ts';

/** As git quotes for the shell at the other end (quote.c, sq_quote_buf). */
const quote = (path: string): string => `'${path.replaceAll(/['!]/g, (letter) => `'\\${letter}'`)}'`;

test('the commands of git are read as git writes them', () => {
  for (const [command, service, path] of [
    ["git-upload-pack '/ada/engine.git'", 'upload-pack', 'ada/engine.git'],
    ["git-receive-pack 'ada/engine.git'", 'receive-pack', 'ada/engine.git'],
    ["git upload-pack 'ada/engine'", 'upload-pack', 'ada/engine'],
    ["git receive-pack '/ada/engine'", 'receive-pack', 'ada/engine'],
    ["git-upload-pack '~/ada/engine.git'", 'upload-pack', 'ada/engine.git'],
    ["git-upload-pack '/~/ada/engine.git'", 'upload-pack', 'ada/engine.git'],
    ['git-upload-pack ada/engine.git', 'upload-pack', 'ada/engine.git'],
    ["git-upload-archive '/ada/engine.git'", 'upload-archive', 'ada/engine.git'],
    ["git-upload-pack 'ada/it'\\''s here'\\!'.git'", 'upload-pack', "ada/it's here!.git"],
    ["git-upload-pack 'ada/café.git'", 'upload-pack', 'ada/café.git'],
  ] as const) {
    const parsed = parseCommand(command);
    assert.ok(parsed.kind === 'git', command);
    assert.deepEqual([parsed.service, parsed.path], [service, path], command);
  }
});

test('every path that git quotes is read back', () => {
  const segment = fc.string({ minLength: 1 }).filter((text) => !/[/\\\p{Cc}]|^\.{1,2}$/u.test(text));
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1 }), (segments) => {
      // `/~/` is the home directory.
      fc.pre(segments[0] !== '~');
      const path = segments.join('/');
      assert.deepEqual(parseCommand(`git-upload-pack ${quote(`/${path}`)}`), {
        kind: 'git',
        service: 'upload-pack',
        path,
        named: `/${path}`.slice(0, 200),
      });
    }),
    fuzzRuns(200),
  );
});

test('nothing else runs', () => {
  for (const command of [
    '',
    ' ',
    'ls',
    'scp -t /tmp',
    'git',
    'git status',
    'git-shell',
    'git-upload-pack',
    'git upload-pack',
    "git-upload-pack 'a' 'b'",
    "git-upload-pack --strict 'a'",
    "git-upload-pack 'unclosed",
    'git-upload-pack "ada/engine.git"',
    "git-upload-pack 'a'; id",
    "git-upload-pack 'a' && id",
    'git-upload-pack $(id)',
    'git-upload-pack `id`',
    'git-upload-pack a|id',
    'git-upload-pack a\nid',
    "git-upload-pack 'a\nb'",
    "git-upload-pack 'a\0b'",
    "git-upload-pack '../etc'",
    "git-upload-pack 'a/../../b'",
    "git-upload-pack ''",
    "git-upload-pack '~/'",
    "git-upload-pack '~/../x'",
    "git-upload-pack '--help'",
    "git-upload-pack '/'",
    "/usr/bin/git-upload-pack 'a'",
    "GIT-UPLOAD-PACK 'a'",
    "git  upload-pack 'a'",
    "git git-upload-pack 'a'",
  ]) {
    const parsed = parseCommand(command);
    assert.equal(parsed.kind, 'refused', command);
    assert.ok(
      parsed.kind === 'refused' && /^(?:unrecognized command|bad argument).*\.$/.test(parsed.message),
      command,
    );
  }
});

test('no command line makes the parser throw or pass on a path that climbs', () => {
  const piece = fc.constantFrom(
    "git-upload-pack '",
    'git-receive-pack ',
    '..',
    '/',
    "'",
    '\\',
    '!',
    ' ',
    'a',
    '\0',
    '$',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const parsed = parseCommand(pieces.join(''));
      if (parsed.kind === 'refused') return;
      assert.ok(!parsed.path.startsWith('/'));
      assert.ok(parsed.path.split('/').every((segment) => segment !== '..' && segment !== '.'));
    }),
    fuzzRuns(200),
  );
});
