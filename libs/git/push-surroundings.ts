import type { ObjectFormat, Oid } from '#base';
import type { HookRunner, ReceivePackRepository, RefSnapshot, WorkTree } from '#wire';
import type { Pusher } from './agent.ts';
import { RepositoryHooks } from './hooks/repository-hooks.ts';
import type { ConfigValues } from './repository-config.ts';
import type { RepositoryMode } from './repository-policy.ts';
import { verifySignature } from './signatures.ts';
import type { Storage } from './storage.ts';
import { diskError, hasErrno, makeDirectories, writeNewFile } from './volume/disk.ts';
import { updateWorkTree, workTreesOf } from './work-trees.ts';

/** The repository that is pushed to. */
export interface PushTarget {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly mode: RepositoryMode;
  readonly config: ConfigValues;
  /** What the names of refs begin with on disk, and not for who pushes (gitnamespaces). */
  readonly namespace: string;
  /** All refs, under their names on disk. */
  readonly refs: () => Promise<RefSnapshot>;
}

/** The tree without entries, which every repository knows. */
const emptyTrees: Readonly<Record<ObjectFormat, Oid>> = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
};

/** The hooks of a repository, run for `by`. */
export function hooksOf(storage: Storage, { gitDir, config }: PushTarget, by: Pusher): RepositoryHooks {
  const committer = { GIT_COMMITTER_NAME: by.name, GIT_COMMITTER_EMAIL: by.email };
  return new RepositoryHooks(storage, { gitDir, config, environment: { ...committer, ...by.environment } });
}

/** What a push may touch besides objects and refs: work trees, certificates, files for dumb clients. */
export function pushSurroundings(
  storage: Storage,
  target: PushTarget,
  hooks: HookRunner | undefined,
): Pick<
  ReceivePackRepository,
  'hooks' | 'workTrees' | 'updateWorkTree' | 'storeCertificate' | 'verifySignature' | 'afterPush'
> {
  const { gitDir, config, mode, namespace } = target;
  const trees = { gitDir, config, emptyTree: emptyTrees[target.objectFormat] };
  return {
    ...(hooks === undefined ? {} : { hooks }),
    workTrees: async () =>
      mode === 'owned'
        ? new Map()
        : within(namespace, await workTreesOf(storage, trees, await target.refs())),
    updateWorkTree: async (tree, newOid, call) => {
      const hasHistory = (await target.refs()).get(tree.branch) !== undefined;
      return await updateWorkTree(storage, { ...trees, hooks, hasHistory }, tree, newOid, call);
    },
    storeCertificate: (certificate) => storeCertificate(storage, target, certificate),
    verifySignature: (payload, signature) =>
      verifySignature({ config, trustPrograms: hooks !== undefined }, payload, signature),
    afterPush: async () => {
      if (config.bool('receive.updateServerInfo', false)) await updateServerInfo(storage, gitDir);
    },
  };
}

/** Those work trees whose branch is in the namespace, by its name there. */
function within(namespace: string, trees: ReadonlyMap<string, WorkTree>): ReadonlyMap<string, WorkTree> {
  if (namespace === '') return trees;
  return new Map(
    [...trees]
      .filter(([branch]) => branch.startsWith(namespace))
      .map(([branch, tree]) => [branch.slice(namespace.length), tree]),
  );
}

/**
 * As git does it, a blob that only the hooks know of. What we keep ourselves is not to be pruned one
 * day, so that is a file of the blob's name.
 */
async function storeCertificate(
  storage: Storage,
  { gitDir, mode }: PushTarget,
  certificate: Buffer,
): Promise<Oid> {
  const args = ['hash-object', '--stdin', ...(mode === 'shared' ? ['-w'] : [])];
  const { stdout } = await storage.git.run({ gitDir, args, input: once(certificate) });
  const oid = stdout.toString().trim();
  if (mode === 'owned') {
    const directory = `${gitDir}/push-certificates`;
    for (const made of await makeDirectories(storage.disk, directory)) await storage.disk.syncDirectory(made);
    try {
      await writeNewFile(storage.disk, `${directory}/${oid}`, certificate);
    } catch (error) {
      // The same certificate again says nothing new.
      if (!hasErrno(error, 'EEXIST')) throw diskError(error);
    }
    await storage.disk.syncDirectory(directory);
  }
  return oid;
}

/** For clients that read the repository as files (git-update-server-info). */
async function updateServerInfo(storage: Storage, gitDir: string): Promise<void> {
  try {
    await storage.git.run({ gitDir, args: ['update-server-info'] });
  } catch (error) {
    storage.log.warn('The files for dumb clients could not be updated.', { error });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
