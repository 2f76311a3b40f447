import type { ConfigValues } from '../repository-config.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';
import { surveyPackNames } from './object-survey.ts';

/** git's own defaults (git-config(1), gc.auto and gc.autoPackLimit). */
const defaultAuto = 6_700;
const defaultAutoPackLimit = 50;

/**
 * Whether `git gc --auto` would do something, found out as it does: by the loose objects in one of
 * the 256 directories, and by the number of packs. Asking here spares most pushes a process.
 */
export async function needsGc(
  { disk }: Pick<Storage, 'disk'>,
  gitDir: string,
  config: ConfigValues,
): Promise<boolean> {
  const auto = gcInteger(config, 'gc.auto', defaultAuto);
  if (auto <= 0) return false;
  const packLimit = gcInteger(config, 'gc.autoPackLimit', defaultAutoPackLimit);
  const sampled = (await unlessMissing(disk.list(`${gitDir}/objects/17`))) ?? [];
  if (sampled.filter(({ name }) => /^[0-9a-f]{38,62}$/.test(name)).length > Math.ceil(auto / 256))
    return true;
  return (
    packLimit > 0 && (await surveyPackNames(disk, gitDir)).filter(({ isKept }) => !isKept).length > packLimit
  );
}

function gcInteger(config: ConfigValues, key: string, otherwise: number): number {
  const text = config.last(key)?.trim() ?? '';
  return /^-\d+$/.test(text) ? Number(text) : (config.integer(key) ?? otherwise);
}

/** Whether who pushes waits for it (git-config(1), gc.autoDetach). */
export function isGcAwaited(config: ConfigValues): boolean {
  return !config.bool('gc.autoDetach', true);
}

/**
 * Runs `git gc --auto` as git-receive-pack does after a push, in a repository that others use too:
 * git's own locks keep them apart, and the repository's config says how.
 */
export async function autoGc(
  storage: Storage,
  gitDir: string,
  config: ConfigValues,
  signal: AbortSignal,
  onOutput?: (text: Buffer) => void,
): Promise<void> {
  // It would run a program, which is for whoever may run programs here.
  if (config.last('gc.recentObjectsHook') !== undefined) return;
  await storage.git.run({
    gitDir,
    args: ['gc', '--auto', '--quiet'],
    configFiles: storage.operatorConfig?.environment,
    config: {
      'gc.auto': config.last('gc.auto') ?? String(defaultAuto),
      // It stays our child, so that it is limited, and ends with us.
      'gc.autoDetach': 'false',
    },
    // 1: another one runs, or an earlier one left a note of what is wrong (gc.log).
    okCodes: [0, 1, 128],
    onStderr: onOutput,
    signal,
    background: true,
  });
}
