import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { readSettings, settingDefinitions, settingVariable } from '#base';
import { optionDefinitions } from '../../apps/node/options.ts';
import { readOptions } from '../../apps/node/read-options.ts';

/** The container image, fly.toml and the compose file name paths, variables and ports of the server: they must be there. */

type Environment = Readonly<Record<string, string>>;

const dockerfile = readFileSync('Dockerfile', 'utf8');
const bootstrap = readFileSync('script/bootstrap', 'utf8');
const fly = parseToml(readFileSync('fly.toml', 'utf8')) as unknown as {
  readonly env: Environment;
  readonly kill_timeout: string;
  readonly mounts: readonly { readonly destination: string }[];
  readonly metrics: { readonly port: number; readonly path: string };
  readonly services: readonly {
    readonly internal_port: number;
    readonly ports: readonly { readonly port: number; readonly handlers?: readonly string[] }[];
    readonly http_checks?: readonly { readonly path: string }[];
  }[];
};
const compose = parseYaml(readFileSync('deploy/compose.yaml', 'utf8'), { merge: true }) as {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly environment?: Readonly<Record<string, string | number>>;
        readonly depends_on?: Readonly<Record<string, unknown>>;
        readonly command?: string;
        readonly volumes?: readonly string[];
        readonly stop_grace_period?: string;
      }
    >
  >;
  readonly volumes: Readonly<Record<string, unknown>>;
};

const known = new Set([
  ...Object.values(optionDefinitions).map(({ variable }) => variable),
  ...Object.entries(settingDefinitions).flatMap(([group, settings]) =>
    Object.keys(settings).map((name) => settingVariable(group, name)),
  ),
]);

function unknownVariables(environment: Environment): readonly string[] {
  return Object.keys(environment).filter((name) => name.startsWith('PACKHORSE_') && !known.has(name));
}

/** Variables of the image, which those of a machine are added to. */
function imageEnvironment(): Environment {
  const block = /^ENV ((?:.*\\\n)*.*)$/m.exec(dockerfile)?.[1] ?? '';
  return Object.fromEntries([...block.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]));
}

const drainMs = readSettings({}).node.drainTimeoutMs;

test('the Dockerfile copies what is there, with the Node that bootstrap pins', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
    ([, files]) => files?.split(' ') ?? [],
  );
  assert.ok(copied.length > 6);
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
  for (const file of copied) {
    assert.ok(existsSync(file), file);
    assert.ok(ignored.includes(`!${file}`), `.dockerignore lets ${file} pass`);
  }
  const runs = [...dockerfile.matchAll(/^RUN (?:node )?(script\/[\w.-]+)/gm)].map(([, file]) => file ?? '');
  assert.deepEqual(runs, ['script/bootstrap', 'script/runtime-tree.ts']);
  for (const file of runs) assert.ok(existsSync(file), file);
  const version = /^NODE_VERSION="(.+)"$/m.exec(bootstrap)?.[1];
  assert.equal(/^ARG NODE_VERSION=(.+)$/m.exec(dockerfile)?.[1], version);
});

test('the image starts the server as a user of its own, and asks it how it is', () => {
  const environment = imageEnvironment();
  assert.deepEqual(unknownVariables(environment), []);
  const options = readOptions({}, environment);
  assert.match(dockerfile, new RegExp(`^EXPOSE ${options.httpPort} ${options.sshPort}$`, 'm'));
  assert.match(dockerfile, new RegExp(`^VOLUME ${options.dataDir}$`, 'm'));
  assert.match(dockerfile, /^USER (?!root)\w+$/m);
  assert.match(dockerfile, /\/healthz/);
  assert.ok(existsSync('apps/cli/packhorse.cjs') && dockerfile.includes('/app/apps/cli/packhorse.cjs'));
});

test('fly.toml gives a node of a cluster what it needs, and leads ports 22 and 443 to its doors', () => {
  assert.deepEqual(unknownVariables(fly.env), []);
  const options = readOptions(
    {},
    {
      ...imageEnvironment(),
      ...fly.env,
      PACKHORSE_NATS: 'nats://token@fra.packhorse-nats.internal:4222',
      PACKHORSE_DATABASE_URL: 'postgresql://packhorse@packhorse-db.internal/packhorse',
      FLY_REGION: 'iad',
      FLY_MACHINE_ID: '148ed127b03d89',
      FLY_PRIVATE_IP: 'fdaa:0:1:a7b::2',
    },
  );
  readSettings(fly.env);
  assert.equal(options.host, '::');
  assert.equal(options.region, 'iad');
  assert.equal(options.nodeName, '148ed127b03d89');
  assert.equal(options.clusterAddress, `[fdaa:0:1:a7b::2]:${options.clusterPort}`);
  assert.ok(options.trustedProxies.trusts('172.19.0.1'));
  const ports = fly.services.flatMap(({ internal_port, ports: opened }) =>
    opened.map(({ port, handlers = [] }) => [port, internal_port, handlers.join('+')]),
  );
  assert.deepEqual(ports, [
    [80, options.httpPort, 'http'],
    [443, options.httpPort, 'tls+http'],
    [22, options.sshPort, ''],
  ]);
  assert.equal(fly.mounts[0]?.destination, options.dataDir);
  assert.deepEqual({ ...fly.metrics }, { port: options.httpPort, path: '/metrics' });
  const paths = fly.services.flatMap(({ http_checks = [] }) => http_checks.map(({ path }) => path));
  assert.deepEqual(paths, ['/healthz']);
  assert.ok(Number.parseInt(fly.kill_timeout, 10) * 1000 > drainMs, 'a node has the time to drain');
});

test('the NATS servers on Fly.io know each other by the regions that the nodes are told', () => {
  const nats = readFileSync('deploy/nats/fly.toml', 'utf8');
  const parsed = parseToml(nats) as unknown as { readonly app: string };
  const routes = [...nats.matchAll(/@(\w+)\.packhorse-nats\.internal:6222/g)].map(([, region]) => region);
  assert.equal(parsed.app, 'packhorse-nats');
  assert.equal(new Set(routes).size, 3);
  const told = readFileSync('docs/deployment.md', 'utf8');
  for (const region of routes) assert.ok(told.includes(`${region}.packhorse-nats.internal:4222`), region);
});

test('the compose file runs three nodes in two regions with three NATS servers and PostgreSQL', () => {
  const nodes = Object.entries(compose.services).filter(([name]) => name.startsWith('node-'));
  const regions = nodes.map(([name, { environment = {}, depends_on = {}, volumes = [], ...service }]) => {
    const given = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)]));
    assert.deepEqual(unknownVariables(given), []);
    const options = readOptions({}, { ...imageEnvironment(), ...given });
    readSettings(given);
    assert.equal(options.nodeName, name);
    assert.equal(options.clusterAddress, `${name}:${options.clusterPort}`);
    const natsServers = options.nats?.split(',').map((url) => new URL(url).hostname) ?? [];
    const databaseHost = new URL(options.databaseUrl ?? '').hostname;
    assert.deepEqual(Object.keys(depends_on).sort(), [...natsServers, databaseHost].sort());
    for (const used of Object.keys(depends_on)) assert.ok(used in compose.services, used);
    assert.deepEqual(volumes, [`${name}:${options.dataDir}`]);
    assert.ok(Number.parseInt(service.stop_grace_period ?? '', 10) * 1000 > drainMs);
    return options.region;
  });
  assert.deepEqual(regions, ['fra', 'fra', 'iad']);
  const servers = Object.entries(compose.services).filter(([name]) => name.startsWith('nats-'));
  assert.equal(servers.length, 3);
  for (const [name, { command = '' }] of servers) {
    assert.match(command, new RegExp(`--name ${name} .*--jetstream`));
    for (const [other] of servers) assert.ok(command.includes(`nats://${other}:6222`));
  }
  const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
  for (const mount of mounted) {
    const [source = ''] = mount.split(':');
    const isThere = source.startsWith('.') ? existsSync(`deploy/${source}`) : source in compose.volumes;
    assert.ok(isThere, mount);
  }
});

test('each alert has an entry in the runbook, and each entry an alert', () => {
  const { groups } = parseYaml(readFileSync('deploy/observe/alerts.yaml', 'utf8')) as {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly alert: string;
        readonly annotations: { readonly runbook: string };
      }[];
    }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  const runbook = readFileSync('docs/runbook.md', 'utf8');
  const entries = [...runbook.matchAll(/^## (.+)$/gm)].map(([, name]) => name);
  assert.ok(rules.length > 8);
  assert.deepEqual(
    rules.map(({ alert }) => alert),
    entries,
  );
  for (const { alert, annotations } of rules) {
    assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
  }
});
