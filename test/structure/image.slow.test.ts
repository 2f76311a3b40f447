import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { TestNats } from '#test/nats';
import { Packhorse } from '#test/packhorse';
import { freePort } from '#test/ports';
import { startPostgres } from '#test/postgres';
import { run } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';

/** Names of metrics in a PromQL expression: words that are neither called nor inside quotes, braces or `by (...)`. */
function metricsIn(expression: string): readonly string[] {
  const bare = expression
    .replaceAll(/\b(?:by|without) \([^)]*\)/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, '');
  return [...bare.matchAll(/\b[a-z_]\w*\b(?!\s*\()/g)].map(([name]) => name);
}

/** Every PromQL expression of the alerts and of the dashboard. */
function expressions(): readonly string[] {
  const alerts = parseYaml(readFileSync('deploy/observe/alerts.yaml', 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[];
  };
  const dashboard = JSON.parse(readFileSync('deploy/observe/dashboard.json', 'utf8')) as {
    readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
    readonly templating: { readonly list: readonly { readonly query: { readonly query: string } }[] };
  };
  return [
    ...alerts.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.map(({ query }) => query.query.replace(/\((\w+), .*/, '($1)')),
  ];
}

test('metrics are found in an expression, and nothing else is', () => {
  assert.deepEqual(metricsIn('sum by (le) (rate(a_total{x="y"}[5m])) / b > 0.5'), ['a_total', 'b']);
});

test('what goes into the image serves as on Fly.io, and has every metric that is watched', async () => {
  const tree = join(temporaryDirectory('image'), 'app');
  const made = await run(process.execPath, ['script/runtime-tree.ts', tree]);
  assert.equal(made.code, 0, made.stderr);
  for (const left of ['script', 'test', 'node_modules/typescript', 'libs/base/index.test.ts']) {
    assert.ok(!existsSync(join(tree, left)), left);
  }
  const { env } = parseToml(readFileSync('fly.toml', 'utf8')) as unknown as {
    readonly env: Readonly<Record<string, string>>;
  };
  await using nats = await TestNats.start();
  await using postgres = await startPostgres();
  await using server = await Packhorse.start({
    databaseUrl: postgres.url,
    // Replaces the program of the checkout by the one of the tree.
    wrapper: ['/bin/sh', '-c', 'shift; exec "$0" "$@"', join(tree, 'apps/cli/packhorse.cjs')],
    env: {
      ...env,
      PACKHORSE_NATS: nats.url,
      PACKHORSE_CLUSTER_PORT: String(await freePort()),
      FLY_REGION: 'fra',
      FLY_MACHINE_ID: '148ed127b03d89',
      FLY_PRIVATE_IP: '::1',
    },
  });
  const ada = await server.createPerson('ada');
  await server.createRepository('ada/hello');
  const page = await fetch(`${server.httpUrl}/ada/hello`);
  assert.equal(page.status, 200);
  assert.equal((await fetch(`${server.httpUrl}/healthz`)).status, 200);
  const remote = new URL(`${server.httpUrl}/ada/hello.git`);
  remote.username = ada.login;
  remote.password = ada.token;
  const refs = await run('git', ['ls-remote', remote.href]);
  assert.equal(refs.code, 0, refs.stderr);

  const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
  const named = new Set([...metrics.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name ?? ''));
  const watched = new Set(expressions().flatMap(metricsIn));
  // Prometheus makes these itself: of a target, and of a histogram.
  watched.delete('up');
  const missing = [...watched].filter((name) => !named.has(name.replace(/_bucket$/, '')));
  assert.ok(watched.size > 25, `${watched.size} metrics are watched`);
  assert.deepEqual(missing, []);
});
