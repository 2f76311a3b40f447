import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { waitUntil } from '#test/wait';
import { isOwnerAlive, ownerTag } from './owner.ts';

/** Fields of proc_pid_stat(5) behind the name: the state first, the start time twentieth. */
function statOf(pid: string): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

test('this process is alive, and one of its number that started at another time is not', () => {
  assert.equal(isOwnerAlive(ownerTag()), true);
  assert.equal(isOwnerAlive(`${ownerTag()}1`), false);
  assert.equal(isOwnerAlive(`0${ownerTag()}`), undefined);
});

test('a process that was killed is gone before its parent has asked for it', async () => {
  // The sleep that takes the place of the shell never asks what became of the other one.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = line.toString().trim();
    const tag = `${ownerTag().split('-')[0]}-${pid}-${statOf(pid)[19]}`;
    assert.equal(isOwnerAlive(tag), true);
    process.kill(Number(pid), 'SIGKILL');
    await waitUntil('it is dead', () => statOf(pid)[0] === 'Z');
    assert.equal(isOwnerAlive(tag), false);
  } finally {
    parent.kill('SIGKILL');
  }
});
