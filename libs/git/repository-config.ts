import { dirname, resolve } from 'node:path';
import { PackhorseError } from '#base';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';
import { areUnchanged, type SeenPath } from './volume/seen-file.ts';

/** The values of a repository's own Git config, by key such as `receive.denyDeletes`. */
export class ConfigValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
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

  constructor(storage: Storage, gitDir: string) {
    this.#storage = storage;
    this.#gitDir = gitDir;
  }

  /** Throws `failed_precondition` when git cannot make sense of the config. */
  async values(): Promise<ConfigValues> {
    const { disk, clock } = this.#storage;
    const remembered = this.#remembered;
    if (remembered !== undefined && (await areUnchanged(disk, remembered.files))) return remembered.values;
    const readAtMs = clock.nowMs();
    const listed = await this.#list();
    const files: SeenPath[] = [];
    for (const path of new Set([`${this.#gitDir}/config`, ...listed.origins])) {
      files.push({ path, seen: { stamp: await unlessMissing(disk.stamp(path)), readAtMs } });
    }
    this.#remembered = { values: new ConfigValues(listed.values), files };
    return this.#remembered.values;
  }

  async #list(): Promise<ReturnType<typeof parseConfigList>> {
    const result = await this.#storage.git.run({
      gitDir: this.#gitDir,
      args: ['config', '--list', '--null', '--show-origin', '--includes'],
      okCodes: [0, 1, 128],
    });
    if (result.code === 128) {
      throw new PackhorseError('failed_precondition', "The repository's configuration cannot be read.", {
        metadata: { stderr: result.stderr.slice(-500) },
      });
    }
    return parseConfigList(result.stdout.toString());
  }
}

/** Understands `git config --list --null --show-origin`; what came from the command line or environment is left out. */
export function parseConfigList(text: string): {
  readonly values: Map<string, string[]>;
  readonly origins: Set<string>;
} {
  const values = new Map<string, string[]>();
  const origins = new Set<string>();
  const fields = text.split('\0');
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const origin = fields[index] ?? '';
    if (!origin.startsWith('file:')) continue;
    const file = origin.slice('file:'.length);
    origins.add(file);
    const entry = fields[index + 1] ?? '';
    const end = entry.indexOf('\n');
    // A key without a value means true.
    const [key, value] = end === -1 ? [entry, 'true'] : [entry.slice(0, end), entry.slice(end + 1)];
    values.set(key, [...(values.get(key) ?? []), value]);
    // An included file that says nothing now, or is not there, may say something later.
    if (/^include(?:if\..*)?\.path$/.test(key)) origins.add(resolve(dirname(file), value));
  }
  return { values, origins };
}
