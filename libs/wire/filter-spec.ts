import { PackhorseError } from '#base';

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

function invalid(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}

function parseMagnitude(text: string, spec: string): string {
  const match = /^(\d{1,20})([kmg]?)$/i.exec(text);
  const value = match === null ? -1n : BigInt(match[1] ?? '') * (units[match[2]?.toLowerCase() ?? ''] ?? 0n);
  if (value < 0n || value > maxLimit) throw invalid(`invalid filter-spec '${spec}'`);
  return value.toString();
}

/** What is still allowed of a spec that is being parsed. */
interface Allowance {
  filters: number;
}

function parseCombined(list: string, depth: number, allowance: Allowance): string {
  if (depth >= maxNesting) throw invalid('filter-spec is nested too deeply');
  const parts = list.split('+').map((part) => {
    if (reserved.test(part)) throw invalid(`must escape char in sub-filter-spec: '${part}'`);
    let decoded: string;
    try {
      decoded = decodeURIComponent(part);
    } catch (cause) {
      throw new PackhorseError('invalid_argument', `invalid filter-spec '${part}'`, { cause });
    }
    return encodeURIComponent(parse(decoded, depth + 1, allowance));
  });
  return `combine:${parts.join('+')}`;
}

function parse(spec: string, depth: number, allowance: Allowance): string {
  allowance.filters -= 1;
  if (allowance.filters < 0) throw invalid('filter-spec combines too many filters');
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const value = spec.slice(colon + 1);
  switch (kind) {
    case 'blob':
      if (value === 'none') return spec;
      if (value.startsWith('limit=')) return `blob:limit=${parseMagnitude(value.slice(6), spec)}`;
      break;
    case 'tree':
      if (/^\d{1,18}$/.test(value)) return `tree:${BigInt(value)}`;
      throw invalid("expected 'tree:<depth>'");
    case 'sparse':
      if (value.startsWith('path=')) throw invalid('sparse:path filters support has been dropped');
      if (value.startsWith('oid=') && value.length > 4) return spec;
      break;
    case 'object':
      if (value.startsWith('type=') && objectTypes.has(value.slice(5))) return spec;
      if (value.startsWith('type=')) {
        throw invalid(`'${value.slice(5)}' for 'object:type=<type>' is not a valid object type`);
      }
      break;
    case 'combine':
      if (colon >= 0 && value !== '') return parseCombined(value, depth, allowance);
      throw invalid('expected something after combine:');
    default:
      break;
  }
  throw invalid(`invalid filter-spec '${spec}'`);
}

/** Checks `spec` and returns its canonical form. Throws `invalid_argument`. */
export function parseFilterSpec(spec: string): string {
  if (/[\0\n]/.test(spec)) throw invalid('invalid filter-spec');
  return parse(spec, 0, { filters: maxFilters });
}
