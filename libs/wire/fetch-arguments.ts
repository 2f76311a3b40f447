import { isOid, type ObjectFormat, type Oid, PackhorseError, type Settings } from '#base';
import { parseFilterSpec } from './filter-spec.ts';
import type { UploadPackPolicy } from './repository.ts';
import { infiniteDepth, type RequestedDeepen, type ShallowRequest } from './shallow.ts';

/** The limits and rules that the lines of a fetch are read under. */
export interface FetchRules {
  readonly objectFormat: ObjectFormat;
  readonly policy: UploadPackPolicy;
  readonly settings: Settings['wire'];
}

/**
 * Collects the arguments that all versions of a fetch share: wants, haves, shallowness and the
 * filter. Each `take` reads one line; what it makes of them all is immutable.
 */
export class FetchArguments {
  readonly #rules: FetchRules;
  readonly #wants = new Set<Oid>();
  readonly #haves = new Set<Oid>();
  readonly #shallows = new Set<Oid>();
  readonly #notRefs = new Set<string>();
  #depth: number | undefined;
  #isRelative = false;
  #sinceSeconds: number | undefined;
  #filter: string | undefined;

  constructor(rules: FetchRules) {
    this.#rules = rules;
  }

  get wants(): readonly Oid[] {
    return [...this.#wants];
  }

  get haves(): readonly Oid[] {
    return [...this.#haves];
  }

  get filter(): string | undefined {
    return this.#filter;
  }

  /** Takes `deepen-relative` as a capability or an argument. */
  deepenRelatively(): void {
    this.#isRelative = true;
  }

  want(text: string): void {
    this.#wants.add(this.#oid(text, `protocol error, expected to get oid, not 'want ${text}'`));
    this.#limit(this.#wants.size, this.#rules.settings.maxWants, 'The fetch wants too many objects.');
  }

  have(text: string): void {
    this.#haves.add(this.#oid(text, `expected SHA1 object, got '${text}'`));
    this.#limit(this.#haves.size, this.#rules.settings.maxHaves, 'The fetch names too many objects as had.');
  }

  /** Takes one of the lines about shallowness or filtering; false when it is another one. */
  take(line: string): boolean {
    const space = line.indexOf(' ');
    const value = line.slice(space + 1);
    switch (space < 0 ? line : line.slice(0, space)) {
      case 'shallow':
        this.#shallows.add(this.#oid(value, `invalid shallow line: ${line}`));
        this.#limit(
          this.#shallows.size,
          this.#rules.settings.maxHaves,
          'The client is shallow in too many places.',
        );
        return true;
      case 'deepen':
        this.#depth = Math.min(wholeNumber(value) ?? 0, infiniteDepth);
        if (this.#depth > 0) return true;
        throw new PackhorseError('invalid_argument', `Invalid deepen: ${line}`);
      case 'deepen-since':
        this.#sinceSeconds = wholeNumber(value);
        if (this.#sinceSeconds !== undefined) return true;
        throw new PackhorseError('invalid_argument', `Invalid deepen-since: ${line}`);
      case 'deepen-not':
        this.#notRefs.add(value);
        this.#limit(this.#notRefs.size, this.#rules.settings.maxHaves, 'The fetch excludes too many refs.');
        return true;
      case 'filter':
        if (!this.#rules.policy.allowFilter) return false;
        if (this.#filter !== undefined) {
          throw new PackhorseError('invalid_argument', 'multiple filter-specs cannot be combined');
        }
        this.#filter = parseFilterSpec(value, this.#rules.policy.filterRules);
        return true;
      default:
        return false;
    }
  }

  /** What was said about shallowness. Throws `invalid_argument` for options that exclude each other. */
  shallowRequest(): ShallowRequest {
    return { clientShallows: [...this.#shallows], deepen: this.#deepen() };
  }

  #deepen(): RequestedDeepen | undefined {
    const byRevList = this.#sinceSeconds !== undefined || this.#notRefs.size > 0;
    if (this.#depth !== undefined && byRevList) {
      throw new PackhorseError(
        'invalid_argument',
        'git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together',
      );
    }
    if (this.#depth !== undefined) return { kind: 'depth', depth: this.#depth, relative: this.#isRelative };
    if (!byRevList) return undefined;
    // Zero is no bound, as in Git.
    const since =
      this.#sinceSeconds === undefined || this.#sinceSeconds === 0
        ? {}
        : { sinceSeconds: this.#sinceSeconds };
    return { kind: 'rev-list', ...since, notRefs: [...this.#notRefs] };
  }

  #oid(text: string, complaint: string): Oid {
    if (isOid(text, this.#rules.objectFormat)) return text;
    throw new PackhorseError('invalid_argument', `git upload-pack: ${complaint}`);
  }

  #limit(count: number, limit: number, message: string): void {
    if (count > limit) throw new PackhorseError('resource_exhausted', message, { metadata: { limit } });
  }
}

/** A number as C reads it: octal and hexadecimal, too. */
function wholeNumber(text: string): number | undefined {
  if (/^0[0-7]{1,15}$/.test(text)) return Number.parseInt(text, 8);
  return /^(?:\d{1,15}|0x[0-9a-f]{1,12})$/i.test(text) ? Number(text) : undefined;
}
