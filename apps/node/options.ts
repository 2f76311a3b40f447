import type { TrustedProxies } from '#base';
import type { InterpolatedPath } from '#daemon';
import type { LogLevel } from '#telemetry';

/** How one node is started: every option is also an environment variable. */
export interface NodeOptions {
  /** Everything a node keeps: volume, embedded database, host keys. */
  readonly dataDir: string;
  /** What may be lost at any time; undefined: in the data directory, or with `root` where the user's caches are. */
  readonly cacheDir: string | undefined;
  readonly host: string;
  /** 0 picks a free port. */
  readonly httpPort: number;
  readonly sshPort: number;
  readonly nodeName: string;
  readonly region: string;
  /** Where people reach the web and Git over HTTP, when that is not where the node listens (behind a proxy). */
  readonly publicUrl: string | undefined;
  /** The same for SSH, such as `ssh://git@example.com`. */
  readonly publicSshUrl: string | undefined;
  /** Without it the embedded PostgreSQL in the data directory is used. */
  readonly databaseUrl: string | undefined;
  /** Serves the repositories below this directory as they are, without accounts. */
  readonly root: string | undefined;
  readonly anonymousPush: boolean;
  /** With `root`: runs the hooks of the repositories, which are code. */
  readonly hooks: boolean;
  /** With accounts: how pushed objects with flaws are judged, as `receive.fsck.*` (git-config) would have it. */
  readonly fsck: readonly string[];
  /** With `root`: who may come in over SSH; without it the SSH door stays closed. */
  readonly authorizedKeys: string | undefined;
  /** With `root`: the namespace whose refs are served as if they were all (gitnamespaces). */
  readonly namespace: string | undefined;
  /** With `root`: opens the git:// door; without it that door stays closed. */
  readonly gitPort: number | undefined;
  /** With `gitPort`: serves every repository, not only those with a `git-daemon-export-ok` file. */
  readonly exportAll: boolean;
  /** With `gitPort`: says which of the reasons it was that a request is refused for. */
  readonly informativeErrors: boolean;
  /** With `gitPort`: where the repositories of each virtual host are. */
  readonly interpolatedPath: InterpolatedPath | undefined;
  /** Proxies that are believed where a request came from. */
  readonly trustedProxies: TrustedProxies;
  /** The header field in which they say so. */
  readonly clientAddressHeader: string;
  /** With `root`: the header field in which they say who logged in there. */
  readonly remoteUserHeader: string | undefined;
  /** How many volumes must have a push on disk before it is acknowledged. */
  readonly durability: number;
  /** The message bus of a cluster. */
  readonly nats: string | undefined;
  /** Where this node listens for other nodes of the cluster. */
  readonly clusterPort: number | undefined;
  /** Where the other nodes reach it, when that is not where it listens. */
  readonly clusterAddress: string | undefined;
  /** Known to all nodes of the cluster; without it they share one through the database. */
  readonly clusterSecret: string | undefined;
  /** PEM files: with all three, nodes show each other certificates and encrypt. */
  readonly clusterTlsCa: string | undefined;
  readonly clusterTlsCert: string | undefined;
  readonly clusterTlsKey: string | undefined;
  readonly logLevel: LogLevel;
}

interface OptionDefinition {
  /** As commander writes it. */
  readonly flags: string;
  readonly variable: string;
  readonly fallback: string | undefined;
  readonly description: string;
}

/** The table behind `packhorse serve --help`, the environment variables and docs/operations.md. */
export const optionDefinitions: { readonly [Name in keyof NodeOptions]: OptionDefinition } = {
  dataDir: {
    flags: '--data-dir <dir>',
    variable: 'PACKHORSE_DATA_DIR',
    fallback: './data',
    description: 'directory for repositories, embedded database and host keys',
  },
  cacheDir: {
    flags: '--cache-dir <dir>',
    variable: 'PACKHORSE_CACHE_DIR',
    fallback: undefined,
    description:
      'directory for what can be made again; default: DATA_DIR/cache, with --root ~/.cache/packhorse',
  },
  host: {
    flags: '--host <host>',
    variable: 'PACKHORSE_HOST',
    fallback: '127.0.0.1',
    description: 'address to listen on',
  },
  httpPort: {
    flags: '--http-port <n>',
    variable: 'PACKHORSE_HTTP_PORT',
    fallback: '3000',
    description: 'HTTP port; 0 picks a free one',
  },
  sshPort: {
    flags: '--ssh-port <n>',
    variable: 'PACKHORSE_SSH_PORT',
    fallback: '2222',
    description: 'SSH port; 0 picks a free one',
  },
  nodeName: {
    flags: '--node-name <name>',
    variable: 'PACKHORSE_NODE_NAME',
    fallback: 'node-1',
    description: 'name of this node (FLY_MACHINE_ID is used when set)',
  },
  region: {
    flags: '--region <region>',
    variable: 'PACKHORSE_REGION',
    fallback: 'local',
    description: 'region of this node (FLY_REGION is used when set)',
  },
  publicUrl: {
    flags: '--public-url <url>',
    variable: 'PACKHORSE_PUBLIC_URL',
    fallback: undefined,
    description: 'where people reach this server over HTTP, when it stands behind a proxy',
  },
  publicSshUrl: {
    flags: '--public-ssh-url <url>',
    variable: 'PACKHORSE_PUBLIC_SSH_URL',
    fallback: undefined,
    description: 'the same for SSH, such as ssh://git@example.com',
  },
  databaseUrl: {
    flags: '--database-url <url>',
    variable: 'PACKHORSE_DATABASE_URL',
    fallback: undefined,
    description: 'PostgreSQL; without it an embedded one is started in the data directory',
  },
  root: {
    flags: '--root <dir>',
    variable: 'PACKHORSE_ROOT',
    fallback: undefined,
    description: 'serve the repositories below this directory as they are, without accounts',
  },
  anonymousPush: {
    flags: '--anonymous-push',
    variable: 'PACKHORSE_ANONYMOUS_PUSH',
    fallback: 'false',
    description: 'with --root: let everyone push over HTTP and git://',
  },
  hooks: {
    flags: '--hooks',
    variable: 'PACKHORSE_HOOKS',
    fallback: 'false',
    description: 'with --root: run the hooks of the repositories, which are code',
  },
  fsck: {
    flags: '--fsck <rules>',
    variable: 'PACKHORSE_FSCK',
    fallback: undefined,
    description:
      'with accounts: what to think of flaws in pushed objects: missingEmail=ignore,skipList=/etc/skip',
  },
  authorizedKeys: {
    flags: '--authorized-keys <file>',
    variable: 'PACKHORSE_AUTHORIZED_KEYS',
    fallback: undefined,
    description: 'with --root: open the SSH door for the keys in this file',
  },
  namespace: {
    flags: '--namespace <name>',
    variable: 'GIT_NAMESPACE',
    fallback: undefined,
    description: 'with --root: serve the refs of this Git namespace as if they were all',
  },
  gitPort: {
    flags: '--git-port <n>',
    variable: 'PACKHORSE_GIT_PORT',
    fallback: undefined,
    description: 'with --root: open the git:// door at this port (9418 is usual); 0 picks a free one',
  },
  exportAll: {
    flags: '--export-all',
    variable: 'PACKHORSE_EXPORT_ALL',
    fallback: 'false',
    description: 'with --git-port: serve repositories without a git-daemon-export-ok file as well',
  },
  informativeErrors: {
    flags: '--informative-errors',
    variable: 'PACKHORSE_INFORMATIVE_ERRORS',
    fallback: 'false',
    description: 'with --git-port: tell clients whether a repository is missing or not exported',
  },
  interpolatedPath: {
    flags: '--interpolated-path <template>',
    variable: 'PACKHORSE_INTERPOLATED_PATH',
    fallback: undefined,
    description: 'with --git-port: where a virtual host has its repositories, such as /srv/git/%H%D',
  },
  trustedProxies: {
    flags: '--trusted-proxies <networks>',
    variable: 'PACKHORSE_TRUSTED_PROXIES',
    fallback: undefined,
    description:
      'proxies that name the client, such as 127.0.0.1,10.0.0.0/8: limits then count clients, not proxies',
  },
  clientAddressHeader: {
    flags: '--client-address-header <name>',
    variable: 'PACKHORSE_CLIENT_ADDRESS_HEADER',
    fallback: 'X-Forwarded-For',
    description: 'header field in which trusted proxies name the client (on Fly.io: Fly-Client-IP)',
  },
  remoteUserHeader: {
    flags: '--remote-user-header <name>',
    variable: 'PACKHORSE_REMOTE_USER_HEADER',
    fallback: undefined,
    description:
      'with --root: header field in which trusted proxies name who logged in there, who may then push over HTTP',
  },
  durability: {
    flags: '--durability <n>',
    variable: 'PACKHORSE_DURABILITY',
    fallback: '1',
    description: 'volumes that must have a push on disk before it is acknowledged; one node has one',
  },
  nats: {
    flags: '--nats <url>',
    variable: 'PACKHORSE_NATS',
    fallback: undefined,
    description:
      'join the cluster behind this NATS server (several with commas between); needs --database-url',
  },
  clusterPort: {
    flags: '--cluster-port <n>',
    variable: 'PACKHORSE_CLUSTER_PORT',
    fallback: undefined,
    description: 'with --nats: port for other nodes; 0, the default, picks a free one',
  },
  clusterAddress: {
    flags: '--cluster-address <host:port>',
    variable: 'PACKHORSE_CLUSTER_ADDRESS',
    fallback: undefined,
    description:
      'with --nats: where other nodes reach this one, when that is not where it listens (FLY_PRIVATE_IP is used when set)',
  },
  clusterSecret: {
    flags: '--cluster-secret <secret>',
    variable: 'PACKHORSE_CLUSTER_SECRET',
    fallback: undefined,
    description:
      'with --nats: what nodes prove themselves with, better given as variable; without it they keep one in the database',
  },
  clusterTlsCa: {
    flags: '--cluster-tls-ca <file>',
    variable: 'PACKHORSE_CLUSTER_TLS_CA',
    fallback: undefined,
    description: 'with --nats: certificates that nodes must show each other are signed by this one',
  },
  clusterTlsCert: {
    flags: '--cluster-tls-cert <file>',
    variable: 'PACKHORSE_CLUSTER_TLS_CERT',
    fallback: undefined,
    description: 'with --cluster-tls-ca: the certificate of this node',
  },
  clusterTlsKey: {
    flags: '--cluster-tls-key <file>',
    variable: 'PACKHORSE_CLUSTER_TLS_KEY',
    fallback: undefined,
    description: 'with --cluster-tls-ca: its private key',
  },
  logLevel: {
    flags: '--log-level <level>',
    variable: 'PACKHORSE_LOG_LEVEL',
    fallback: 'info',
    description: 'debug, info, warn, error or silent',
  },
};
