import type { Settings } from '#base';
import type { CertificatePolicy, DenyAction, ReceivePackPolicy, UploadPackPolicy } from '#wire';
import type { PackChecks } from './quarantine/index-pack.ts';
import { namespacedPatterns } from './refs/namespace.ts';
import type { ReflogPolicy } from './refs/reflog.ts';
import { asBool, type ConfigValues } from './repository-config.ts';
import { hiddenPatterns, readUploadPolicy } from './upload-policy.ts';

/** Whether the repository is ours alone, or a directory that other programs use as well. */
export type RepositoryMode = 'owned' | 'shared';

/** Everything that a repository's config decides here (git-config(1): `uploadpack.*`, `receive.*`, `transfer.*`, `core.*`). */
export interface RepositoryPolicy {
  readonly upload: UploadPackPolicy;
  readonly receive: ReceivePackPolicy;
  readonly checks: PackChecks;
  readonly reflogs: ReflogPolicy;
  /** Files that the server writes itself have the rights that the repository wants (git-config, core.sharedRepository). */
  readonly usualRights: boolean;
  /** Pushes of fewer objects are stored as loose objects; 0, unless the config says otherwise, for none. */
  readonly unpackLimit: number;
}

/**
 * Flaws of old programs that are in many histories and harm nobody; everything else that fsck
 * complains about is refused. `receive.fsck.<id>` in the repository's config changes it.
 */
const toleratedFlaws = ['badTimezone', 'missingSpaceBeforeDate', 'zeroPaddedFilemode'];

/** What decides besides the repository's own config. */
export interface PolicyRules {
  readonly mode: RepositoryMode;
  readonly settings: Settings['git'];
  /** Ref updates in one push. */
  readonly maxCommands: number;
  /** What the names of the refs that are served begin with on disk; empty when absent. */
  readonly namespace?: string;
  /** What identifies the repository in nonces. */
  readonly repository: string;
  /** How flaws in pushed objects are judged on this node, such as `missingEmail=ignore`. */
  readonly fsckRules?: readonly string[];
  /** For repositories whose config says nothing of signed pushes. */
  readonly certificates?: Omit<CertificatePolicy, 'repository'> | undefined;
}

/** Reads the policy out of the config. Our own repositories allow what a hosting service does; others have git's defaults. */
export function readPolicy(config: ConfigValues, rules: PolicyRules): RepositoryPolicy {
  const { mode, settings, maxCommands, namespace = '' } = rules;
  const certificates = certificatePolicy(config, rules);
  const owned = mode === 'owned';
  const bare = config.bool('core.bare', true);
  const sharedRepository = config.last('core.sharedRepository') ?? '';
  return {
    upload: readUploadPolicy(config, owned, namespace),
    receive: {
      denyNonFastForwards: config.bool('receive.denyNonFastForwards', false),
      denyDeletes: config.bool('receive.denyDeletes', false),
      denyDeleteCurrent: denyAction(config.last('receive.denyDeleteCurrent'), owned),
      denyCurrentBranch: denyAction(config.last('receive.denyCurrentBranch'), owned),
      advertiseAtomic: config.bool('receive.advertiseAtomic', true),
      advertisePushOptions: config.bool('receive.advertisePushOptions', owned),
      advertiseSessionId: config.bool('transfer.advertiseSID', false),
      shallowUpdate: config.bool('receive.shallowUpdate', false),
      procReceiveRefs: config.all('receive.procReceiveRefs'),
      hiddenRefs: namespacedPatterns(hiddenPatterns(config, 'receive'), namespace),
      maxPackBytes: Math.min(
        config.integer('receive.maxInputSize') || settings.maxPackBytes,
        settings.maxPackBytes,
      ),
      maxCommands,
      ...keepAlive(config.integer('receive.keepAlive')),
      ...(certificates === undefined ? {} : { certificates }),
    },
    checks: packChecks(config, owned, rules.fsckRules ?? []),
    reflogs: reflogPolicy(config.last('core.logAllRefUpdates'), owned, bare),
    usualRights: /^(?:umask|)$/i.test(sharedRepository) || asBool(sharedRepository) === false,
    unpackLimit: config.integer('receive.unpackLimit') ?? config.integer('transfer.unpackLimit') ?? 0,
  };
}

/** Reads `receive.denyCurrentBranch` and its like. Our own repositories need no explanation of their configuration. */
function denyAction(value: string | undefined, owned: boolean): DenyAction {
  if (value === undefined) return owned ? 'refuse' : 'unconfigured';
  const known = (['ignore', 'warn', 'refuse', 'updateInstead'] as const).find(
    (action) => action.toLowerCase() === value.toLowerCase(),
  );
  return known ?? (asBool(value) === false ? 'ignore' : 'refuse');
}

function keepAlive(seconds: number | undefined): Pick<ReceivePackPolicy, 'keepAliveMs'> {
  return seconds === undefined ? {} : { keepAliveMs: seconds * 1000 };
}

/** Signed pushes: with the repository's own seed for nonces, or with the node's. */
function certificatePolicy(
  config: ConfigValues,
  { certificates, repository }: PolicyRules,
): CertificatePolicy | undefined {
  const nonceSeed = config.last('receive.certNonceSeed');
  if (nonceSeed === undefined) return certificates && { ...certificates, repository };
  return { nonceSeed, nonceSlopSeconds: config.integer('receive.certNonceSlop') ?? 0, repository };
}

function packChecks(config: ConfigValues, owned: boolean, nodeRules: readonly string[]): PackChecks {
  const fsck = config.bool('receive.fsckObjects', config.bool('transfer.fsckObjects', owned));
  if (!fsck) return { kind: 'links' };
  const severities = new Map(owned ? toleratedFlaws.map((id) => [id.toLowerCase(), 'ignore']) : []);
  for (const rule of nodeRules) {
    const equals = rule.indexOf('=');
    severities.set(rule.slice(0, equals).toLowerCase(), rule.slice(equals + 1));
  }
  for (const [key, severity] of config.below('receive.fsck.')) {
    const id = key.slice('receive.fsck.'.length);
    // A list of objects to let pass belongs to a directory that others administer.
    if (id === 'skiplist' && !owned && isListPath(severity)) severities.set(id, expandHome(severity));
    // Never let a value of the config become another argument.
    if (/^[a-z0-9]+$/.test(id) && /^(?:error|warn|ignore)$/.test(severity)) severities.set(id, severity);
  }
  const rules = [...severities].map(([id, severity]) => `${id}=${severity}`);
  return { kind: 'fsck', rules, configured: [...config.below('receive.fsck.')].length > 0 };
}

/** Git cuts its argument at these. */
function isListPath(path: string): boolean {
  return path !== '' && !/[ ,|]/.test(path);
}

function expandHome(path: string): string {
  return path.replace(/^~(?=\/)/, process.env['HOME'] ?? '~');
}

function reflogPolicy(value: string | undefined, owned: boolean, bare: boolean): ReflogPolicy {
  if (value?.toLowerCase() === 'always') return 'always';
  const wanted = asBool(value);
  if (wanted === undefined) return owned ? 'always' : bare ? 'existing' : 'branches';
  return wanted ? 'branches' : 'existing';
}
