import assert from 'node:assert/strict';
import { readFileSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

/** Which rooms a room may import. Doors never import each other; only apps/node sees everything. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'libs/base': [],
  'libs/actor': ['base'],
  'libs/wire': ['base'],
  'libs/telemetry': ['base'],
  'libs/db': ['base'],
  'libs/git': ['base', 'actor', 'wire'],
  'libs/accounts': ['base', 'db'],
  'libs/cluster': ['base', 'actor', 'wire', 'git', 'accounts'],
  'libs/gateway': ['base', 'wire', 'git', 'accounts', 'cluster', 'telemetry'],
  'libs/http': ['base', 'telemetry', 'wire', 'git', 'accounts', 'gateway'],
  'libs/ssh': ['base', 'telemetry', 'wire', 'git', 'accounts', 'gateway'],
  'libs/daemon': ['base', 'telemetry', 'wire', 'git', 'accounts', 'gateway'],
  'libs/graphql': ['base', 'wire', 'git', 'accounts', 'cluster', 'gateway'],
  'libs/web': ['base', 'wire', 'git', 'accounts', 'gateway'],
  'apps/cli': ['base'],
};

const importPattern = /(?:from|import)\s*\(?\s*'([^']+)'/g;
/** What only one room may touch, so that it can be replaced there. */
const keepers: Readonly<Record<string, string>> = {
  nodegit: 'libs/git',
  '@prisma/client': 'libs/db',
  '@prisma/adapter-pg': 'libs/db',
  pg: 'libs/db',
  ssh2: 'libs/ssh',
  nats: 'libs/cluster',
  '@grpc/grpc-js': 'libs/cluster',
  msgpackr: 'libs/cluster',
};

const sources = globSync(['apps/**/*.ts', 'libs/**/*.ts'], { exclude: ['libs/db/generated/**'] });

function roomOf(file: string): string {
  return file.split('/').slice(0, 2).join('/');
}

function importsOf(file: string): readonly string[] {
  return [...readFileSync(file, 'utf8').matchAll(importPattern)].map((match) => match[1] ?? '');
}

/** Why `file` may not import `target`, or undefined when it may. */
function objection(file: string, target: string): string | undefined {
  const room = roomOf(file);
  // The version of the release is written down there and nowhere else.
  if (target === '../../package.json') return undefined;
  const keeper = keepers[target];
  if (keeper !== undefined && room !== keeper && !file.endsWith('.test.ts'))
    return `only ${keeper} may import ${target}`;
  if (target.startsWith('.') && roomOf(normalize(join(dirname(file), target))) !== room) {
    // The CLI starts the server in its own process; that is its only way into it.
    if (room === 'apps/cli' && target === '../node/serve.ts') return undefined;
    return `${target} leaves the room: import another room through #room`;
  }
  if (!target.startsWith('#') || room === 'apps/node') return undefined;
  if (target.startsWith('#test/'))
    return file.endsWith('.test.ts') ? undefined : 'only tests import test support';
  const allowed = mayImport[room];
  if (allowed === undefined) return `${room} is not a room that the layering knows`;
  return allowed.includes(target.slice(1)) || file.endsWith('.test.ts')
    ? undefined
    : `${room} may not import ${target}`;
}

test('imports point downwards only', () => {
  const objections = sources.flatMap((file) =>
    importsOf(file).flatMap((target) => {
      const reason = objection(file, target);
      return reason === undefined ? [] : [`${file}: ${reason}`];
    }),
  );
  assert.ok(sources.length > 50, 'the sources were found');
  assert.deepEqual(objections, []);
});

test('the layering objects to an import that points upwards or sideways', () => {
  assert.match(objection('libs/base/x.ts', '#git') ?? '', /may not import/);
  assert.match(objection('libs/http/x.ts', '#ssh') ?? '', /may not import/);
  assert.match(objection('libs/http/x.ts', '../ssh/index.ts') ?? '', /leaves the room/);
  assert.match(objection('libs/web/x.ts', 'nodegit') ?? '', /only libs\/git/);
  assert.equal(objection('libs/git/x.ts', '#wire'), undefined);
});
