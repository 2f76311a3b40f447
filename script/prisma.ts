#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Prisma's command line for this project: `node script/prisma.ts generate`. Prisma would fetch its
 * schema engine from the network; generating the client never starts it, so any program may stand for it.
 */
const root = dirname(import.meta.dirname);
const cli = fileURLToPath(import.meta.resolve('prisma/build/index.js'));
const child = spawn(process.execPath, [cli, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: join(root, 'script', 'prisma.ts'),
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  },
});
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1;
});
