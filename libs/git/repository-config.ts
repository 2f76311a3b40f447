import { dirname, resolve } from 'node:path';
import { PackhorseError } from '#base';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';
import { areUnchanged, type SeenPath } from './volume/seen-file.ts';

/** One line of a config: section and name of the key in lower case; a key without a value has undefined, which means true. */
export type ConfigEntry = readonly [key: string, value: string | undefined];

/** The values of a repository's own Git config, by key such as `receive.denyDeletes`. */
export class ConfigValues {
  /** Every line in the order of the files, for keys of which the last one that speaks decides. */
  readonly entries: readonly ConfigEntry[];
  readonly #values = new Map<string, string[]>();

  constructor(entries: readonly ConfigEntry[]) {
    this.entries = entries;
    for (const [key, value = 'true'] of entries) {
      const values = this.#values.get(key);
      if (values === undefined) this.#values.set(key, [value]);
      else values.push(value);
    }
  }

  /** Every value of a key, in the order of the files. */
  all(key: string): readonly string[] {
    // Section and name ignore case; a subsection between them does not.
    const [first, last] = [key.indexOf('.'), key.lastIndexOf('.')];
    const normal = key.slice(0, first).toLowerCase() + key.slice(first, last) + key.slice(last).toLowerCase();
    return this.#values.get(normal) ?? [];
  }

  /** The last value, which is the one in force. */
  last(key: string): string | undefined {
    return this.all(key).at(-1);
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

/** Reads the config of one repository through git, and again whenever one of its files changed. */
export class RepositoryConfig {
  readonly #storage: Storage;
  readonly #gitDir: string;
  #remembered: Remembered | undefined;
  /** The files were looked at since the running callback began, so for everything that it works on. */
  #isChecked = false;

  constructor(storage: Storage, gitDir: string) {
    this.#storage = storage;
    this.#gitDir = gitDir;
  }

  /** Throws `failed_precondition` when git cannot make sense of the config. */
  async values(): Promise<ConfigValues> {
    const { disk, clock } = this.#storage;
    const remembered = this.#remembered;
    if (remembered !== undefined && (this.#isChecked || (await areUnchanged(disk, remembered.files)))) {
      this.#keepCheck();
      return remembered.values;
    }
    const readAtMs = clock.nowMs();
    const listed = await this.#list();
    const files: SeenPath[] = [];
    for (const path of new Set([`${this.#gitDir}/config`, ...listed.origins])) {
      files.push({ path, seen: { stamp: await unlessMissing(disk.stamp(path)), readAtMs } });
    }
    this.#remembered = { values: new ConfigValues(listed.entries), files };
    return this.#remembered.values;
  }

  /** One request asks several times, and nothing else can have come in before the next tick. */
  #keepCheck(): void {
    if (this.#isChecked) return;
    this.#isChecked = true;
    process.nextTick(() => (this.#isChecked = false));
  }

  async #list(): Promise<ReturnType<typeof parseConfigList>> {
    const result = await this.#storage.git.run({
      gitDir: this.#gitDir,
      args: ['config', '--list', '--null', '--show-origin', '--includes'],
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
    return parseConfigList(result.stdout.toString(), `${this.#gitDir}/HEAD`);
  }
}

/**
 * Understands `git config --list --null --show-origin`; what came from the command line or environment is left out.
 * `origins` are the files that the answer depends on; `headFile` is one where an include asks for a branch.
 */
export function parseConfigList(
  text: string,
  headFile: string,
): {
  readonly entries: readonly ConfigEntry[];
  readonly origins: ReadonlySet<string>;
} {
  const entries: ConfigEntry[] = [];
  const origins = new Set<string>();
  const fields = text.split('\0');
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const origin = fields[index] ?? '';
    if (!origin.startsWith('file:')) continue;
    const file = origin.slice('file:'.length);
    origins.add(file);
    const entry = fields[index + 1] ?? '';
    const end = entry.indexOf('\n');
    const [key, value] = end === -1 ? [entry] : [entry.slice(0, end), entry.slice(end + 1)];
    if (key === undefined) continue;
    entries.push([key, value]);
    // An included file that says nothing now, or is not there, may say something later.
    if (value !== undefined && /^include(?:if\..*)?\.path$/s.test(key))
      origins.add(resolve(dirname(file), value));
    // Which file that condition includes depends on the branch that HEAD names.
    if (key.startsWith('includeif.onbranch:')) origins.add(headFile);
  }
  return { entries, origins };
}
