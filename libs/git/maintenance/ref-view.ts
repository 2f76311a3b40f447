import { type ObjectFormat, type Random, randomId } from '#base';
import type { Ref, RefSnapshot } from '#wire';
import { renderPackedRefs } from '../refs/packed-refs.ts';
import { type Disk, writeNewFile } from '../volume/disk.ts';

/**
 * A repository directory with refs of our choice over the objects of another one: for git commands
 * that work on all refs. It holds no objects and goes when it is disposed; a crash leaves what
 * recovery removes as it does a quarantine.
 */
export class RefView implements AsyncDisposable {
  readonly gitDir: string;
  /** Makes a git process that runs here see the objects. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #disk: Disk;

  private constructor(disk: Disk, gitDir: string, environment: Readonly<Record<string, string>>) {
    this.#disk = disk;
    this.gitDir = gitDir;
    this.environment = environment;
  }

  static async create(
    { disk, random }: { readonly disk: Disk; readonly random: Random },
    source: { readonly gitDir: string; readonly objectFormat: ObjectFormat },
    refs: readonly Ref[],
  ): Promise<RefView> {
    const objects = `${source.gitDir}/objects`;
    const gitDir = `${objects}/tmp_objdir-maintenance-${randomId(random)}`;
    await disk.mkdir(gitDir);
    const view = new RefView(disk, gitDir, {
      GIT_OBJECT_DIRECTORY: objects,
      GIT_SHALLOW_FILE: `${source.gitDir}/shallow`,
    });
    try {
      await disk.mkdir(`${gitDir}/refs`);
      const isSha1 = source.objectFormat === 'sha1';
      const config = `[core]\n\tbare = true\n\trepositoryformatversion = ${isSha1 ? 0 : 1}\n`;
      const files = {
        config: [config, ...(isSha1 ? [] : ['[extensions]\n\tobjectFormat = sha256\n'])],
        HEAD: ['ref: refs/heads/none\n'],
        'packed-refs': [...renderPackedRefs(refs)],
      };
      for (const [name, parts] of Object.entries(files)) {
        await writeNewFile(disk, `${gitDir}/${name}`, Buffer.concat(parts.map((part) => Buffer.from(part))));
      }
      return view;
    } catch (error) {
      await view[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk.removeTree(this.gitDir);
  }
}

/** What a clone gets: branches and tags; a detached HEAD counts as a branch. */
export function clonedRefs(snapshot: RefSnapshot): readonly Ref[] {
  const { head } = snapshot;
  const detached: readonly Ref[] =
    head.symref === undefined && head.oid !== undefined ? [{ name: 'refs/heads/HEAD', oid: head.oid }] : [];
  return [...detached, ...snapshot.withPrefix('refs/heads/'), ...snapshot.withPrefix('refs/tags/')].filter(
    ({ symref }) => symref === undefined,
  );
}
