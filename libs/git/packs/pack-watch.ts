import { areUnchanged, type SeenPath } from '../volume/seen-file.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';

/**
 * Notices that packs went since the last look, in a repository that other programs pack as well: an
 * open handle still reads deleted packs, and so would take for granted what git no longer has.
 */
export class PackWatch {
  readonly #storage: Storage;
  readonly #directory: string;
  #seen: { readonly directory: SeenPath; readonly packs: ReadonlySet<string> } | undefined;

  constructor(storage: Storage, gitDir: string) {
    this.#storage = storage;
    this.#directory = `${gitDir}/objects/pack`;
  }

  /** True when a pack that was there at the last look is there no more. */
  async wereRemoved(): Promise<boolean> {
    const { disk, clock } = this.#storage;
    const before = this.#seen;
    if (before !== undefined && (await areUnchanged(disk, [before.directory]))) return false;
    const readAtMs = clock.nowMs();
    const stamp = disk.stampNow(this.#directory);
    const entries = (await unlessMissing(disk.list(this.#directory))) ?? [];
    const packs = new Set(entries.map(({ name }) => name).filter((name) => name.endsWith('.pack')));
    this.#seen = { directory: { path: this.#directory, seen: { stamp, readAtMs } }, packs };
    return before !== undefined && [...before.packs].some((name) => !packs.has(name));
  }
}
