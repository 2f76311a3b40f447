import { type Disk, unlessMissing } from './disk.ts';

/**
 * Appends bytes to a file, which is made where it is missing, and has `sync` put them on the disk.
 * Returns what takes them back; a half-written end is taken back before this throws.
 */
export async function appendRecoverably(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  sync: (file: Awaited<ReturnType<Disk['append']>>) => Promise<void>,
): Promise<() => Promise<void>> {
  const before = disk.stampNow(path);
  const undo = async (): Promise<void> => {
    if (before?.kind === 'file') await disk.truncate(path, before.sizeBytes);
    else await unlessMissing(disk.unlink(path));
  };
  const file = await disk.append(path);
  try {
    await file.write(bytes);
    await sync(file);
  } catch (error) {
    await undo().catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  return undo;
}
