import { type ObjectFormat, PackhorseError } from '#base';
import type { ConfigValues } from './repository-config.ts';
import { type Disk, unlessMissing } from './volume/disk.ts';

const maxGitfileBytes = 4096;

/**
 * The repository directory that `path` leads to, as git finds it (gitrepository-layout): `path`
 * itself when it is bare, its `.git` directory, or what a `gitdir:` file there names. A linked work
 * tree leads to the repository it belongs to. undefined when there is no repository.
 * Gitfiles can name any place: `isAllowed` is asked about each directory outside `path`.
 */
export async function findGitDirectory(
  disk: Disk,
  path: string,
  isAllowed: (directory: string) => boolean = () => true,
): Promise<string | undefined> {
  if (await isGitDirectory(disk, path)) return path;
  const inside = `${path}/.git`;
  const stamp = await unlessMissing(disk.stamp(inside));
  if (stamp?.kind === 'directory') return (await isGitDirectory(disk, inside)) ? inside : undefined;
  if (stamp?.kind !== 'file' || stamp.sizeBytes > maxGitfileBytes) return undefined;
  const named = await readPointer(disk, inside, 'gitdir: ', path);
  if (named === undefined || !isAllowed(named)) return undefined;
  const common = await readPointer(disk, `${named}/commondir`, '', named);
  const found = common ?? named;
  return isAllowed(found) && (await isGitDirectory(disk, found)) ? found : undefined;
}

/** Whether `path` is what a linked work tree has instead of a repository of its own (gitrepository-layout, `worktrees/<id>`). */
export async function isLinkedWorkTree(disk: Disk, path: string): Promise<boolean> {
  const stamps = await Promise.all(
    ['HEAD', 'commondir'].map((name) => unlessMissing(disk.stamp(`${path}/${name}`))),
  );
  return stamps.every((stamp) => stamp?.kind === 'file');
}

async function readPointer(
  disk: Disk,
  file: string,
  prefix: string,
  relativeTo: string,
): Promise<string | undefined> {
  const text = (await unlessMissing(disk.read(file)))?.toString().trimEnd();
  if (text?.startsWith(prefix) !== true || text.length === prefix.length) return undefined;
  return resolvePath(relativeTo, text.slice(prefix.length));
}

function resolvePath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${base}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

async function isGitDirectory(disk: Disk, path: string): Promise<boolean> {
  const stamps = await Promise.all(
    ['HEAD', 'objects', 'refs'].map((name) => unlessMissing(disk.stamp(`${path}/${name}`))),
  );
  const [head, objects, refs] = stamps.map((stamp) => stamp?.kind);
  const isDirectory = (kind: typeof head): boolean => kind === 'directory' || kind === 'symlink';
  return (head === 'file' || head === 'symlink') && isDirectory(objects) && isDirectory(refs);
}

/** Extensions that change nothing for a server. */
const knownExtensions = new Set([
  'objectformat',
  'noop',
  'preciousobjects',
  'worktreeconfig',
  'partialclone',
]);

/**
 * The hash that the repository uses. Throws `failed_precondition` for a format that this server
 * does not know (Documentation/technical/repository-version).
 */
export function objectFormatOf(config: ConfigValues): ObjectFormat {
  const version = config.integer('core.repositoryFormatVersion') ?? 0;
  const extensions = [...config.below('extensions.')].map(([key]) => key.slice('extensions.'.length));
  const unknown = version === 0 ? [] : extensions.filter((name) => !knownExtensions.has(name));
  const format = version === 0 ? 'sha1' : (config.last('extensions.objectFormat')?.toLowerCase() ?? 'sha1');
  if (version > 1 || unknown.length > 0 || (format !== 'sha1' && format !== 'sha256')) {
    throw new PackhorseError(
      'failed_precondition',
      'The repository has a format that this server does not know.',
      {
        metadata: { version, format, extensions: unknown.join(' ') },
      },
    );
  }
  return format;
}
