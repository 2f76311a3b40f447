import { type Random, randomId } from '#base';
import { type Disk, unlessMissing, writeNewFile } from '../volume/disk.ts';

/** A pack whose objects are in another one since `sinceMs`; it stays for a while for those who use it. */
export interface RetiredPack {
  readonly name: string;
  readonly sinceMs: number;
  /** Objects that nothing reached any more may be in it alone. */
  readonly dropsObjects: boolean;
}

/** What is remembered of the maintenance of one repository. */
export interface MaintenanceState {
  readonly lastRunAtMs?: number;
  /** When all objects were last looked at for being reachable. */
  readonly lastFullAtMs?: number;
  readonly reflogsLookedAtMs?: number;
  /** Since when loose objects are in a pack, too. */
  readonly loosePackedAtMs?: number;
  /** Why the last run failed; absent when it did not. */
  readonly lastFailure?: string;
  readonly retired: readonly RetiredPack[];
  /** What refs named when the packs that drop objects were retired. */
  readonly tipsAtRetirement?: readonly string[];
}

const fileName = 'maintenance.json';
const temporary = /^maintenance\.json\.[0-9a-z]{26}$/;
const none: MaintenanceState = { retired: [] };

/** What was remembered; nothing when there is no file or it makes no sense: everything in it can be found out again. */
export async function readMaintenanceState(disk: Disk, gitDir: string): Promise<MaintenanceState> {
  const bytes = await unlessMissing(disk.read(`${gitDir}/${fileName}`));
  if (bytes === undefined) return none;
  try {
    return parse(JSON.parse(bytes.toString()));
  } catch {
    return none;
  }
}

function parse(value: unknown): MaintenanceState {
  if (typeof value !== 'object' || value === null) return none;
  const fields = value as Readonly<Record<string, unknown>>;
  const time = (name: string): object => (typeof fields[name] === 'number' ? { [name]: fields[name] } : {});
  const tips = fields['tipsAtRetirement'];
  return {
    ...time('lastRunAtMs'),
    ...time('lastFullAtMs'),
    ...time('reflogsLookedAtMs'),
    ...time('loosePackedAtMs'),
    ...(typeof fields['lastFailure'] === 'string' && { lastFailure: fields['lastFailure'] }),
    retired: list(fields['retired']).filter(isRetiredPack),
    ...(Array.isArray(tips) && { tipsAtRetirement: tips.filter((tip) => typeof tip === 'string') }),
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRetiredPack(value: unknown): value is RetiredPack {
  if (typeof value !== 'object' || value === null) return false;
  const { name, sinceMs, dropsObjects } = value as Readonly<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    /^pack-[0-9a-f]{40,64}$/.test(name) &&
    typeof sinceMs === 'number' &&
    typeof dropsObjects === 'boolean'
  );
}

/** Replaces what is remembered, durably. */
export async function writeMaintenanceState(
  disk: Disk,
  random: Random,
  gitDir: string,
  state: MaintenanceState,
): Promise<void> {
  for (const { name } of await disk.list(gitDir)) {
    if (temporary.test(name)) await disk.removeTree(`${gitDir}/${name}`);
  }
  const path = `${gitDir}/${fileName}`;
  const next = `${path}.${randomId(random)}`;
  await writeNewFile(disk, next, Buffer.from(`${JSON.stringify(state)}\n`));
  await disk.rename(next, path);
  await disk.syncDirectory(gitDir);
}
