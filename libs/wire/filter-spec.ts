import { PackhorseError } from '#base';
import type { FilterRules } from './repository.ts';

/**
 * Object filters of partial clones (git-rev-list, `--filter`). A spec is checked and written in one
 * canonical form, so that equal requests are seen to be equal.
 */

/** Nesting of `combine:` and number of filters in one spec. */
const maxNesting = 8;
const maxFilters = 64;

const objectTypes: ReadonlySet<string> = new Set(['blob', 'tree', 'commit', 'tag']);
const units: Readonly<Record<string, bigint>> = { '': 1n, k: 1024n, m: 1024n ** 2n, g: 1024n ** 3n };
const maxLimit = 2n ** 64n - 1n;
/** Characters that have to be escaped inside `combine:`, as in Git. */
// oxlint-disable-next-line no-control-regex
const reserved = /[\u0000-\u0020~`!@#$^&*()[\]{}\\;'",<>?]/;

/** One filter of a spec, by its name in the config. */
interface Filter {
  readonly name: string;
  readonly treeDepth?: bigint;
}

/** What was found in a spec, the outermost filter first. */
type Found = Filter[];

function invalid(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}

function parseMagnitude(text: string): bigint | undefined {
  const match = /^(\d{1,20})([kmg]?)$/i.exec(text);
  if (match === null) return undefined;
  const value = BigInt(match[1] ?? '') * (units[match[2]?.toLowerCase() ?? ''] ?? 0n);
  return value > maxLimit ? undefined : value;
}

/** Escapes what Git wants to have escaped, which is more than a URI needs. */
function escaped(spec: string): string {
  return encodeURIComponent(spec).replace(/[!'()*~]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
}

function parseCombined(list: string, depth: number, found: Found): string {
  if (depth >= maxNesting) throw invalid('filter-spec is nested too deeply');
  const parts = list.split('+').map((part) => {
    const bare = reserved.exec(part)?.[0];
    if (bare !== undefined) throw invalid(`must escape char in sub-filter-spec: '${bare}'`);
    let decoded: string;
    try {
      decoded = decodeURIComponent(part);
    } catch (cause) {
      throw new PackhorseError('invalid_argument', `invalid filter-spec '${part}'`, { cause });
    }
    return escaped(parse(decoded, depth + 1, found));
  });
  return `combine:${parts.join('+')}`;
}

function parse(spec: string, depth: number, found: Found): string {
  if (found.length >= maxFilters) throw invalid('filter-spec combines too many filters');
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const value = spec.slice(colon + 1);
  switch (kind) {
    case 'blob':
      if (value === 'none') {
        found.push({ name: 'blob:none' });
        return spec;
      }
      if (value.startsWith('limit=')) {
        const limit = parseMagnitude(value.slice(6));
        if (limit === undefined) break;
        found.push({ name: 'blob:limit' });
        return `blob:limit=${limit}`;
      }
      break;
    case 'tree': {
      const treeDepth = parseMagnitude(value);
      if (treeDepth === undefined) throw invalid("expected 'tree:<depth>'");
      found.push({ name: 'tree', treeDepth });
      return `tree:${treeDepth}`;
    }
    case 'sparse':
      if (value.startsWith('path=')) throw invalid('sparse:path filters support has been dropped');
      if (!value.startsWith('oid=') || value.length <= 4) break;
      found.push({ name: 'sparse:oid' });
      return spec;
    case 'object':
      if (!value.startsWith('type=')) break;
      if (!objectTypes.has(value.slice(5))) {
        throw invalid(`'${value.slice(5)}' for 'object:type=<type>' is not a valid object type`);
      }
      found.push({ name: 'object:type' });
      return spec;
    case 'combine':
      if (colon < 0 || value === '') throw invalid('expected something after combine:');
      found.push({ name: 'combine' });
      return parseCombined(value, depth, found);
    default:
      break;
  }
  throw invalid(`invalid filter-spec '${spec}'`);
}

/** Throws `permission_denied`, in Git's words, for a filter that the config does not allow. */
function requireAllowed({ name, treeDepth = 0n }: Filter, rules: FilterRules): void {
  if (!(rules.allowed.get(name) ?? rules.byDefault)) {
    throw new PackhorseError('permission_denied', `filter '${name}' not supported`);
  }
  if (rules.maxTreeDepth === undefined || treeDepth <= BigInt(rules.maxTreeDepth)) return;
  throw new PackhorseError(
    'permission_denied',
    `tree filter allows max depth ${rules.maxTreeDepth}, but got ${treeDepth}`,
  );
}

/** Checks `spec` and returns its canonical form. Throws `invalid_argument`, or `permission_denied` where `rules` forbid it. */
export function parseFilterSpec(spec: string, rules?: FilterRules): string {
  if (/[\0\n]/.test(spec)) throw invalid('invalid filter-spec');
  const found: Found = [];
  const canonical = parse(spec, 0, found);
  if (rules !== undefined) for (const filter of found) requireAllowed(filter, rules);
  return canonical;
}
