import { Socket } from 'node:net';
import { runProgram } from './program.ts';

/**
 * Started by an older Node, which cannot be replaced in place: when it is gone, even killed, this
 * process must not live on as an orphan that holds ports and locks.
 */
function dieWithParent(): void {
  const descriptor = process.env['PACKHORSE_PARENT_DESCRIPTOR'];
  delete process.env['PACKHORSE_PARENT_DESCRIPTOR'];
  if (descriptor === undefined) return;
  const parent = new Socket({ fd: Number(descriptor) });
  parent.on('error', () => undefined);
  parent.on('close', () => process.kill(process.pid, 'SIGKILL'));
  parent.resume();
  parent.unref();
}

// A reader that has seen enough (`packhorse repo list | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

dieWithParent();
process.exitCode = await runProgram(process.argv.slice(2));
