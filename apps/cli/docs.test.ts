import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyCommands } from './commands/key.ts';
import { nodeCommands } from './commands/node.ts';
import { repoCommands } from './commands/repo.ts';
import { tokenCommands } from './commands/token.ts';
import { userCommands } from './commands/user.ts';
import { volumeCommands } from './commands/volume.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');

test('docs/cli.md has every command with every option', () => {
  const groups = [
    userCommands(),
    tokenCommands(),
    keyCommands(),
    repoCommands(),
    nodeCommands(),
    volumeCommands(),
  ];
  const commands = groups.flatMap((group) => group.commands.map((command) => ({ group, command })));
  assert.ok(commands.length > 15);
  for (const { group, command } of commands) {
    const line = page.split('\n').find((row) => row.includes(`packhorse ${group.name()} ${command.name()} `));
    const found = line ?? page.split('\n').find((row) => row.includes(`${group.name()} ${command.name()}\``));
    assert.ok(found, `${group.name()} ${command.name()}`);
    for (const { long } of command.options) {
      if (long === '--json' || long === '--data-dir') continue;
      assert.ok(found.includes(long ?? ''), `${long} of ${group.name()} ${command.name()}`);
    }
  }
});
