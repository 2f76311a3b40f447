import { dirname, resolve } from 'node:path';
import { PackhorseError, TurnMemo } from '#base';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';
import { areUnchanged, type SeenPath } from './volume/seen-file.ts';

/** One line of a config: section and name of the key in lower case; a key without a value has undefined, which means true. */
export type ConfigEntry = readonly [key: string, value: string | undefined];

/** The values of a repository's Git config, by key such as `receive.denyDeletes`. */
export class ConfigValues {
  /** Every line in the order of the files, for keys of which the last one that speaks decides. */
  readonly entries: readonly ConfigEntry[];
  readonly #values = new Map<string, string[]>();

  readonly #protectedEntries: readonly ConfigEntry[];

  /** `protectedEntries` are those that are not the repository's own. */
  constructor(entries: readonly ConfigEntry[], protectedEntries: readonly ConfigEntry[] = []) {
    this.entries = entries;
    this.#protectedEntries = protectedEntries;
    for (const [key, value = 'true'] of entries) {
      const values = this.#values.get(key);
      if (values === undefined) this.#values.set(key, [value]);
      else values.push(value);
    }
  }

  /** Every value of a key, in the order of the files. */
  all(key: string): readonly string[] {
    return this.#values.get(normalKey(key)) ?? [];
  }

  /** The last value, which is the one in force. */
  last(key: string): string | undefined {
    return this.all(key).at(-1);
  }

  /** The last value that whoever writes to the repository has no say in (git-config(1), "Protected configuration"). */
  lastProtected(key: string): string | undefined {
    const normal = normalKey(key);
    const entry = this.#protectedEntries.findLast(([name]) => name === normal);
    return entry && (entry[1] ?? 'true');
  }

  /** A truth value as git understands it (git-config(1), "Values"); `otherwise` when absent or neither. */
  bool(key: string, otherwise: boolean): boolean {
    return asBool(this.last(key)) ?? otherwise;
  }

  /** A whole number, possibly with the suffix k, m or g; undefined when absent or not a number. */
  integer(key: string): number | undefined {
    const match = /^(\d+)([kmg]?)$/i.exec(this.last(key)?.trim() ?? '');
    if (match === null) return undefined;
    const factor = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2]?.toLowerCase() ?? ''] ?? 1;
    return Number(match[1]) * factor;
  }

  /** Keys that start with `prefix`, with the value in force. */
  *below(prefix: string): Generator<readonly [key: string, value: string], void, undefined> {
    for (const [key, values] of this.#values) {
      const value = values.at(-1);
      if (key.startsWith(prefix) && value !== undefined) yield [key, value];
    }
  }
}

/** Section and name ignore case; a subsection between them does not. */
function normalKey(key: string): string {
  const [first, last] = [key.indexOf('.'), key.lastIndexOf('.')];
  return key.slice(0, first).toLowerCase() + key.slice(first, last) + key.slice(last).toLowerCase();
}

/** `true`, `false`, or undefined for anything that git does not take for a truth value. */
export function asBool(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (/^(?:true|yes|on|[1-9]\d*)$/i.test(value)) return true;
  return /^(?:false|no|off|0*)$/i.test(value) ? false : undefined;
}

interface Remembered {
  readonly values: ConfigValues;
  /** Every file that the values came from, and the main one even when it is not there. */
  readonly files: readonly SeenPath[];
}

/** Reads the config of one repository, after the operator's where that counts, through git, and again whenever one of the files changed. */
export class RepositoryConfig {
  readonly #storage: Storage;
  readonly #gitDir: string;
  #remembered: Remembered | undefined;
  /** One request asks several times. */
  readonly #checked = new TurnMemo<'values', Promise<ConfigValues>>();

  constructor(storage: Storage, gitDir: string) {
    this.#storage = storage;
    this.#gitDir = gitDir;
  }

  /** Throws `failed_precondition` when git cannot make sense of the config. */
  values(): Promise<ConfigValues> {
    return this.#checked.get('values', () => this.#read());
  }

  async #read(): Promise<ConfigValues> {
    const { disk, clock } = this.#storage;
    const remembered = this.#remembered;
    if (remembered !== undefined && (await areUnchanged(disk, remembered.files))) return remembered.values;
    const readAtMs = clock.nowMs();
    const listed = await this.#list();
    const files: SeenPath[] = [];
    // A set goes on to what is added while it is walked through.
    const paths = new Set([
      `${this.#gitDir}/config`,
      ...(this.#storage.operatorConfig?.files ?? []),
      ...listed.origins,
    ]);
    for (const path of paths) {
      const stamp = await unlessMissing(disk.stamp(path));
      if (stamp?.kind === 'symlink') paths.add(resolve(dirname(path), await disk.readLink(path)));
      files.push({ path, seen: { stamp, readAtMs } });
    }
    this.#remembered = { values: new ConfigValues(listed.entries, listed.protectedEntries), files };
    return this.#remembered.values;
  }

  async #list(): Promise<ReturnType<typeof parseConfigList>> {
    const { git, operatorConfig } = this.#storage;
    const result = await git.run({
      gitDir: this.#gitDir,
      args: ['config', '--list', '--null', '--show-scope', '--show-origin', '--includes'],
      configFiles: operatorConfig?.environment,
      okCodes: [0, 1, 128],
    });
    // Git goes on without the config of a repository that it does not understand.
    const misfit = /^warning: ((?:unknown repository extension|Expected git repo version).*)/ms.exec(
      result.stderr,
    )?.[1];
    if (misfit !== undefined) {
      throw new PackhorseError('failed_precondition', misfit.trim().replaceAll(/\s+/g, ' '));
    }
    if (result.code === 128) {
      throw new PackhorseError('failed_precondition', "The repository's configuration cannot be read.", {
        metadata: { stderr: result.stderr.slice(-500) },
      });
    }
    return parseConfigList(result.stdout.toString(), `${this.#gitDir}/HEAD`, operatorConfig?.home);
  }
}

/** What git asks of the repository's own file only, to know what it is (setup.c, check_repo_format). */
const formatKey = /^(?:extensions\.|core\.(?:repositoryformatversion|bare|worktree)$)/;

/**
 * Understands `git config --list --null --show-scope --show-origin`; what came from the command line or
 * environment is left out. `origins` are the files that the answer depends on; `headFile` is one where an
 * include asks for a branch. `protectedEntries` are those of `entries` that are not the repository's own.
 */
export function parseConfigList(
  text: string,
  headFile: string,
  home?: string,
): {
  readonly entries: readonly ConfigEntry[];
  readonly protectedEntries: readonly ConfigEntry[];
  readonly origins: ReadonlySet<string>;
} {
  const entries: ConfigEntry[] = [];
  const protectedEntries: ConfigEntry[] = [];
  const origins = new Set<string>();
  const fields = text.split('\0');
  for (let index = 0; index + 2 < fields.length; index += 3) {
    const isProtected = fields[index] === 'system' || fields[index] === 'global';
    const origin = fields[index + 1] ?? '';
    if (!origin.startsWith('file:')) continue;
    const file = origin.slice('file:'.length);
    origins.add(file);
    const entry = fields[index + 2] ?? '';
    const end = entry.indexOf('\n');
    const [key, value] = end === -1 ? [entry] : [entry.slice(0, end), entry.slice(end + 1)];
    if (key === undefined) continue;
    if (isProtected && formatKey.test(key)) continue;
    entries.push([key, value]);
    if (isProtected) protectedEntries.push([key, value]);
    // An included file that says nothing now, or is not there, may say something later.
    if (value !== undefined && /^include(?:if\..*)?\.path$/s.test(key))
      origins.add(resolve(dirname(file), home === undefined ? value : value.replace(/^~(?=\/)/, home)));
    // Which file that condition includes depends on the branch that HEAD names.
    if (key.startsWith('includeif.onbranch:')) origins.add(headFile);
  }
  return { entries, protectedEntries, origins };
}
