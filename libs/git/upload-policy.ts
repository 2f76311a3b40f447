import type { FilterRules, UploadPackPolicy } from '#wire';
import { promisorAdvertisement, promisorRemotes } from './promisor-remotes.ts';
import { asBool, type ConfigValues } from './repository-config.ts';
import { namespacedPatterns } from './refs/namespace.ts';

/**
 * What the config says about fetches (git-config(1): `uploadpack.*`, `uploadpackfilter.*`, `lsrefs.*`,
 * `transfer.*`, `promisor.*`). `owned` repositories allow what a hosting service does, others have
 * git's defaults. `namespace` is what the names of all refs that are served begin with on disk.
 */
export function readUploadPolicy(config: ConfigValues, owned: boolean, namespace: string): UploadPackPolicy {
  const keepAliveSeconds = signedInteger(config.last('uploadpack.keepAlive'));
  const promisors = promisorRemotes(config);
  const advertisement = promisorAdvertisement(config, promisors);
  return {
    ...allowedWants(config, owned),
    allowFilter: config.bool('uploadpack.allowFilter', owned),
    filterRules: filterRules(config),
    allowRefInWant: config.bool('uploadpack.allowRefInWant', owned),
    allowSidebandAll: config.bool('uploadpack.allowSidebandAll', false),
    allowPackfileUris: config.entries.some(
      ([key, value]) => key === 'uploadpack.blobpackfileuri' && value !== undefined,
    ),
    hiddenRefs: namespacedPatterns(hiddenPatterns(config, 'uploadpack'), namespace),
    unborn: unbornRule(config.last('lsrefs.unborn')),
    advertiseObjectInfo: config.bool('transfer.advertiseObjectInfo', owned),
    advertiseSessionId: config.bool('transfer.advertiseSID', false),
    advertiseBundleUris: config.bool('uploadpack.advertiseBundleURIs', owned),
    promisorRemotes: promisors,
    ...(advertisement === undefined ? {} : { promisorAdvertisement: advertisement }),
    ...(keepAliveSeconds === undefined ? {} : { keepAliveMs: Math.max(0, keepAliveSeconds) * 1000 }),
  };
}

/** `transfer.hideRefs` and those of one section, in the order of the files: the last one that matches decides. */
export function hiddenPatterns(config: ConfigValues, section: 'uploadpack' | 'receive'): readonly string[] {
  const keys = new Set(['transfer.hiderefs', `${section}.hiderefs`]);
  return config.entries.flatMap(([key, value]) => (keys.has(key) && value !== undefined ? [value] : []));
}

/** The bits that each of the three keys sets or clears, one line after the other, as in git. */
const wantBits: ReadonlyMap<string, number> = new Map([
  ['uploadpack.allowtipsha1inwant', 1],
  ['uploadpack.allowreachablesha1inwant', 2],
  ['uploadpack.allowanysha1inwant', 7],
]);

function allowedWants(
  config: ConfigValues,
  owned: boolean,
): Pick<UploadPackPolicy, 'allowTipSha1InWant' | 'allowReachableSha1InWant' | 'allowAnySha1InWant'> {
  let bits = owned ? 7 : 0;
  for (const [key, value = 'true'] of config.entries) {
    const changed = wantBits.get(key);
    if (changed !== undefined) bits = asBool(value) === true ? bits | changed : bits & ~changed;
  }
  return {
    allowTipSha1InWant: (bits & 1) !== 0,
    allowReachableSha1InWant: (bits & 2) !== 0,
    allowAnySha1InWant: bits === 7,
  };
}

function filterRules(config: ConfigValues): FilterRules {
  const allowed = new Map<string, boolean>();
  let maxTreeDepth: number | undefined;
  for (const [key, value] of config.entries) {
    const match = /^uploadpackfilter\.(.+)\.(allow|maxdepth)$/s.exec(key);
    const name = match?.[1];
    if (name === undefined) continue;
    if (match?.[2] === 'allow') allowed.set(name, asBool(value ?? 'true') === true);
    else if (name === 'tree' && value !== undefined) {
      allowed.set('tree', true);
      maxTreeDepth = signedInteger(value) ?? maxTreeDepth;
    }
  }
  const byDefault = config.bool('uploadpackfilter.allow', true);
  return { byDefault, allowed, ...(maxTreeDepth === undefined ? {} : { maxTreeDepth }) };
}

function unbornRule(value: string | undefined): 'advertise' | 'allow' | 'ignore' {
  if (value === undefined || value === 'advertise') return 'advertise';
  return value === 'allow' ? 'allow' : 'ignore';
}

function signedInteger(value: string | undefined): number | undefined {
  const match = /^\s*([+-]?\d{1,15})([kmg]?)$/i.exec(value ?? '');
  if (match === null) return undefined;
  return Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf((match[2] ?? '').toLowerCase());
}
