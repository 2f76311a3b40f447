import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';

/**
 * Every file below a directory with its content's SHA-1: two equal snapshots mean that nothing
 * changed. What goes away while it is looked at counts as gone, so that tests can watch a clean-up.
 */
export async function directorySnapshot(
  directory: string,
  options: { readonly except?: readonly string[] } = {},
): Promise<Record<string, string>> {
  const snapshot: Record<string, string> = {};
  const visit = async (path: string): Promise<void> => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const full = join(path, entry.name);
      const name = relative(directory, full);
      if (options.except?.includes(name) === true) continue;
      try {
        if (entry.isDirectory()) await visit(full);
        else if (entry.isFile()) snapshot[name] = await fingerprint(full);
        else snapshot[name] = `mode ${lstatSync(full).mode.toString(8)}`;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  };
  await visit(directory);
  return snapshot;
}

async function fingerprint(path: string): Promise<string> {
  const hash = createHash('sha1');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
