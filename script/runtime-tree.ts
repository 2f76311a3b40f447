#!/usr/bin/env node
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';

/**
 * Copies what a node needs at run time, and nothing of what builds and tests it, out of a checkout
 * that `script/bootstrap` has made ready:
 *
 *   node script/runtime-tree.ts DIRECTORY
 *
 * The container image is made of it; `DIRECTORY/apps/cli/packhorse.cjs` starts without a network.
 */
const root = dirname(import.meta.dirname);

/** Ours: Node runs the sources as they are. */
const own = ['package.json', 'LICENSE', 'apps', 'libs', 'prisma/migrations'];

/** Packages that only build or fetch native addons. */
const builders = new Set(['nan', 'node-gyp', '@mapbox/node-pre-gyp', 'cpu-features', 'buildcheck']);

/** Tests, types and sources of compiled code, and Prisma's compilers for other databases. */
const leftOut: readonly RegExp[] = [
  /\.test\.ts$/,
  /\.d\.[cm]?ts$/,
  /\.map$/,
  /^node_modules\/nodegit\/(?:vendor|src|include|lifecycleScripts|utils)$/,
  /^node_modules\/nodegit\/build\/(?!Release(?:$|\/nodegit\.node$))/,
  /^node_modules\/ssh2\/(?:test|examples)$/,
  /^node_modules\/ssh2\/lib\/protocol\/crypto\/(?:src$|build\/(?!Release(?:$|\/sshcrypto\.node$)))/,
  /^node_modules\/@prisma\/client\/runtime\/(?!client\.|query_compiler_fast_bg\.(?:js|postgresql\.))/,
];

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The directories of all packages that the server reaches, below `node_modules`. */
function runtimePackages(): readonly string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const found = new Set<string>();
  const visit = (from: string): void => {
    const { dependencies, optionalDependencies } = packages[from] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const path = builders.has(name) ? undefined : installedPath(packages, from, name);
      if (path === undefined || found.has(path)) continue;
      found.add(path);
      visit(path);
    }
  };
  visit('');
  return [...found].sort();
}

/** Where `from` finds the package `name`, as Node does; undefined for one of another platform. */
function installedPath(
  packages: Readonly<Record<string, LockedPackage>>,
  from: string,
  name: string,
): string | undefined {
  for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('node_modules') - 1))) {
    const path = join(place, 'node_modules', name);
    if (path in packages) return existsSync(join(root, path)) ? path : undefined;
    if (place === '') return undefined;
  }
}

function copy(path: string, target: string): void {
  const start = join(root, path);
  cpSync(start, join(target, path), {
    recursive: true,
    // The embedded database's libraries are found by links beside them.
    verbatimSymlinks: true,
    filter: (source) => {
      const inner = relative(root, source);
      // Packages inside a package are copied where they are needed, by themselves.
      if (source !== start && basename(source) === 'node_modules') return false;
      return !leftOut.some((pattern) => pattern.test(inner));
    },
  });
}

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write('runtime-tree: name the directory to make\n');
  process.exitCode = 2;
} else {
  const target = resolve(directory);
  mkdirSync(target, { recursive: true });
  for (const path of [...own, ...runtimePackages()]) {
    if (statSync(join(root, path)).isDirectory()) mkdirSync(dirname(join(target, path)), { recursive: true });
    copy(path, target);
  }
}
