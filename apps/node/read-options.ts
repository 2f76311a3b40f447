import { PackhorseError, TrustedProxies } from '#base';
import { InterpolatedPath } from '#daemon';
import { namespacePrefix } from '#git';
import type { LogLevel } from '#telemetry';
import { isValidRefName } from '#wire';
import { type NodeOptions, optionDefinitions } from './options.ts';

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

function port(text: string, flag: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new PackhorseError('invalid_argument', `${flag} must be a port number from 0 to 65535.`);
  }
  return value;
}

function proxies(text: string | undefined, header: string, userHeader: string | undefined): TrustedProxies {
  const networks = (text ?? '').split(',').map((entry) => entry.trim());
  try {
    return new TrustedProxies(
      networks.filter((entry) => entry !== ''),
      header,
      userHeader,
    );
  } catch (cause) {
    const message = '--trusted-proxies must be addresses or networks, such as 127.0.0.1,10.0.0.0/8.';
    throw new PackhorseError('invalid_argument', message, { cause });
  }
}

function optionalPort(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : port(text, flag);
}

function interpolatedPath(template: string | undefined): InterpolatedPath | undefined {
  return template === undefined ? undefined : new InterpolatedPath(template);
}

/** Names that are no part of a ref's name are refused, as git does. */
function namespace(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const prefix = namespacePrefix(text);
  if (prefix !== '' && isValidRefName(`${prefix}HEAD`)) return text;
  throw new PackhorseError('invalid_argument', `bad git namespace path "${text}"`);
}

/** Whoever asks for more safety than this node can give must not believe that they have it. */
function refuseHalfClusters(options: NodeOptions): void {
  const { durability, nats, databaseUrl, root } = options;
  if (!Number.isInteger(durability) || durability < 1) {
    throw new PackhorseError('invalid_argument', '--durability must be a whole number of 1 or more.');
  }
  if (durability > 1) {
    throw new PackhorseError(
      'invalid_argument',
      'This release keeps one copy of each repository: use --durability 1.',
    );
  }
  const tls = [options.clusterTlsCa, options.clusterTlsCert, options.clusterTlsKey];
  if (tls.includes(undefined) && tls.some((file) => file !== undefined)) {
    throw new PackhorseError(
      'invalid_argument',
      '--cluster-tls-ca, --cluster-tls-cert and --cluster-tls-key only go together.',
    );
  }
  if (nats !== undefined && (databaseUrl === undefined || root !== undefined)) {
    throw new PackhorseError(
      'invalid_argument',
      '--nats needs --database-url, for all nodes share one database, and does not go with --root.',
    );
  }
  const { clusterPort, clusterAddress, clusterSecret } = options;
  if (
    nats === undefined &&
    [clusterPort, clusterAddress, clusterSecret, ...tls].some((given) => given !== undefined)
  ) {
    throw new PackhorseError('invalid_argument', '--cluster-... only goes with --nats.');
  }
}

function logLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level === undefined)
    throw new PackhorseError('invalid_argument', `--log-level must be one of ${logLevels.join(', ')}.`);
  return level;
}

/** Reads `badTimezone=error,skipList=/path`; severities as in `receive.fsck.<id>`. */
function fsckRules(text: string): readonly string[] {
  const rules = text.split(',').filter((rule) => rule !== '');
  const isRule = (rule: string): boolean =>
    /^(?:[a-z]+=(?:error|warn|ignore)|skiplist=\/[^ |]+)$/i.test(rule);
  if (!rules.every(isRule)) {
    throw new PackhorseError(
      'invalid_argument',
      '--fsck takes rules such as badTimezone=error,missingEmail=ignore,skipList=/absolute/path.',
    );
  }
  return rules;
}

/** Whoever asks for something that is not going to happen is told so. */
function refuseStrays(options: NodeOptions): void {
  if (
    options.root === undefined &&
    (options.anonymousPush ||
      options.hooks ||
      options.authorizedKeys !== undefined ||
      options.gitPort !== undefined)
  ) {
    throw new PackhorseError(
      'invalid_argument',
      '--anonymous-push, --hooks, --authorized-keys and --git-port only go with --root.',
    );
  }
  if (options.root !== undefined && options.fsck.length > 0) {
    throw new PackhorseError(
      'invalid_argument',
      '--fsck does not go with --root, where receive.fsck.* of each repository decides.',
    );
  }
  const forDaemon = options.exportAll || options.informativeErrors || options.interpolatedPath !== undefined;
  if (options.gitPort === undefined && forDaemon) {
    throw new PackhorseError(
      'invalid_argument',
      '--export-all, --informative-errors and --interpolated-path only go with --git-port.',
    );
  }
  if (
    options.remoteUserHeader !== undefined &&
    (options.root === undefined || options.trustedProxies.isEmpty)
  ) {
    throw new PackhorseError(
      'invalid_argument',
      '--remote-user-header only goes with --root and --trusted-proxies.',
    );
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Fly.io tells each machine its name and place, which would otherwise have to be given for each. */
function flyDefaults(environment: Environment): {
  readonly [Name in keyof NodeOptions]?: string | undefined;
} {
  return { region: environment['FLY_REGION'], nodeName: environment['FLY_MACHINE_ID'] };
}

/** The machine's address in Fly.io's private network (IPv6), at the port that was given. */
function flyAddress(environment: Environment, clusterPort: string | undefined): string | undefined {
  const address = environment['FLY_PRIVATE_IP'];
  return address === undefined || clusterPort === undefined ? undefined : `[${address}]:${clusterPort}`;
}

/**
 * Options in force: a given flag, else its environment variable, else what Fly.io says, else the default.
 * Throws `invalid_argument` with a sentence that names the flag.
 */
export function readOptions(
  flags: Readonly<Partial<Record<keyof NodeOptions, string | boolean>>>,
  environment: Environment,
): NodeOptions {
  const fly = flyDefaults(environment);
  const text = (name: keyof NodeOptions): string | undefined => {
    const flag = flags[name];
    if (flag !== undefined) return String(flag);
    const variable = environment[optionDefinitions[name].variable];
    if (variable !== undefined && variable !== '') return variable;
    return fly[name] ?? optionDefinitions[name].fallback;
  };
  const required = (name: keyof NodeOptions): string => text(name) ?? '';
  const flag = (name: keyof NodeOptions): boolean => ['true', '1', 'yes'].includes(required(name));
  const options: NodeOptions = {
    dataDir: required('dataDir'),
    cacheDir: text('cacheDir'),
    host: required('host'),
    httpPort: port(required('httpPort'), '--http-port'),
    sshPort: port(required('sshPort'), '--ssh-port'),
    nodeName: required('nodeName'),
    region: required('region'),
    publicUrl: text('publicUrl')?.replace(/\/+$/, ''),
    publicSshUrl: text('publicSshUrl')?.replace(/\/+$/, ''),
    databaseUrl: text('databaseUrl'),
    root: text('root'),
    anonymousPush: flag('anonymousPush'),
    hooks: flag('hooks'),
    fsck: fsckRules(text('fsck') ?? ''),
    authorizedKeys: text('authorizedKeys'),
    namespace: namespace(text('namespace')),
    gitPort: optionalPort(text('gitPort'), '--git-port'),
    exportAll: flag('exportAll'),
    informativeErrors: flag('informativeErrors'),
    interpolatedPath: interpolatedPath(text('interpolatedPath')),
    trustedProxies: proxies(
      text('trustedProxies'),
      required('clientAddressHeader'),
      text('remoteUserHeader'),
    ),
    clientAddressHeader: required('clientAddressHeader'),
    remoteUserHeader: text('remoteUserHeader'),
    durability: Number(required('durability')),
    nats: text('nats'),
    clusterPort: optionalPort(text('clusterPort'), '--cluster-port'),
    clusterAddress: text('clusterAddress') ?? flyAddress(environment, text('clusterPort')),
    clusterSecret: text('clusterSecret'),
    clusterTlsCa: text('clusterTlsCa'),
    clusterTlsCert: text('clusterTlsCert'),
    clusterTlsKey: text('clusterTlsKey'),
    logLevel: logLevel(required('logLevel')),
  };
  refuseHalfClusters(options);
  refuseStrays(options);
  return options;
}
