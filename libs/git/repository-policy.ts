import type { Settings } from '#base';
import type { ReceivePackPolicy, UploadPackPolicy } from '#wire';
import type { PackChecks } from './quarantine/index-pack.ts';
import type { ReflogPolicy } from './refs/reflog.ts';
import { asBool, type ConfigValues } from './repository-config.ts';

/** Whether the repository is ours alone, or a directory that other programs use as well. */
export type RepositoryMode = 'owned' | 'shared';

/** Everything that a repository's config decides here (git-config(1): `uploadpack.*`, `receive.*`, `transfer.*`, `core.*`). */
export interface RepositoryPolicy {
  readonly upload: UploadPackPolicy;
  readonly receive: ReceivePackPolicy;
  readonly checks: PackChecks;
  readonly reflogs: ReflogPolicy;
}

/**
 * Flaws of old programs that are in many histories and harm nobody; everything else that fsck
 * complains about is refused. `receive.fsck.<id>` in the repository's config changes it.
 */
const toleratedFlaws = ['badTimezone', 'missingSpaceBeforeDate', 'zeroPaddedFilemode'];

/** Reads the policy out of the config. Our own repositories allow what a hosting service does; others have git's defaults. */
export function readPolicy(
  config: ConfigValues,
  mode: RepositoryMode,
  settings: Settings['git'],
  maxCommands: number,
): RepositoryPolicy {
  const owned = mode === 'owned';
  const bare = config.bool('core.bare', true);
  return {
    upload: {
      allowFilter: config.bool('uploadpack.allowFilter', owned),
      allowTipSha1InWant: config.bool('uploadpack.allowTipSHA1InWant', owned),
      allowReachableSha1InWant: config.bool('uploadpack.allowReachableSHA1InWant', owned),
      allowAnySha1InWant: config.bool('uploadpack.allowAnySHA1InWant', owned),
      allowRefInWant: config.bool('uploadpack.allowRefInWant', owned),
      allowSidebandAll: config.bool('uploadpack.allowSidebandAll', false),
      hiddenRefs: [...config.all('transfer.hideRefs'), ...config.all('uploadpack.hideRefs')],
    },
    receive: {
      denyNonFastForwards: config.bool('receive.denyNonFastForwards', false),
      denyDeletes: config.bool('receive.denyDeletes', false),
      denyDeleteCurrent: denies(config.last('receive.denyDeleteCurrent')),
      denyUpdateCurrent: !bare && denies(config.last('receive.denyCurrentBranch')),
      advertiseAtomic: config.bool('receive.advertiseAtomic', true),
      advertisePushOptions: config.bool('receive.advertisePushOptions', owned),
      hiddenRefs: [...config.all('transfer.hideRefs'), ...config.all('receive.hideRefs')],
      maxPackBytes: Math.min(
        config.integer('receive.maxInputSize') || settings.maxPackBytes,
        settings.maxPackBytes,
      ),
      maxCommands,
    },
    checks: packChecks(config, owned),
    reflogs: reflogPolicy(config.last('core.logAllRefUpdates'), owned, bare),
  };
}

/** `refuse` is git's default; `warn`, `ignore` and false allow it. `updateInstead` would touch a work tree: it refuses. */
function denies(value: string | undefined): boolean {
  return value !== 'warn' && value !== 'ignore' && asBool(value) !== false;
}

function packChecks(config: ConfigValues, owned: boolean): PackChecks {
  const fsck = config.bool('receive.fsckObjects', config.bool('transfer.fsckObjects', owned));
  if (!fsck) return { kind: 'links' };
  const severities = new Map(owned ? toleratedFlaws.map((id) => [id.toLowerCase(), 'ignore']) : []);
  for (const [key, severity] of config.below('receive.fsck.')) {
    const id = key.slice('receive.fsck.'.length);
    // Never let a value of the config become another argument; `skiplist` is a path and not supported.
    if (/^[a-z0-9]+$/.test(id) && /^(?:error|warn|ignore)$/.test(severity)) severities.set(id, severity);
  }
  return { kind: 'fsck', severities: [...severities].map(([id, severity]) => `${id}=${severity}`).join(',') };
}

function reflogPolicy(value: string | undefined, owned: boolean, bare: boolean): ReflogPolicy {
  if (value?.toLowerCase() === 'always') return 'always';
  const wanted = asBool(value);
  if (wanted === undefined) return owned ? 'always' : bare ? 'existing' : 'branches';
  return wanted ? 'branches' : 'existing';
}
