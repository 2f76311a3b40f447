/** One thing that follows the name in a revision (gitrevisions(7)). */
export type RevisionStep =
  /** `~n` */
  | { readonly step: 'ancestor'; readonly generations: number }
  /** `^n`; `^0` is the commit itself. */
  | { readonly step: 'parent'; readonly number: number }
  /** `^{kind}`; `^{}` peels tags only, `^{object}` nothing. */
  | {
      readonly step: 'peel';
      readonly to: 'commit' | 'tree' | 'blob' | 'tag' | 'object' | 'anything but a tag';
    };

export interface RevisionSyntax {
  /** A ref, an object id or the beginning of one, or the output of git describe. */
  readonly name: string;
  readonly steps: readonly RevisionStep[];
  /** After a colon: a path in that tree. */
  readonly path?: string;
}

const maxGenerations = 1_000_000_000;

/**
 * Reads a revision. undefined for what is malformed or asks for something else than these forms:
 * searches (`:/text`, `^{/text}`), reflogs and upstreams (`@{...}`), ranges and index stages are not
 * offered to people who are not at the repository themselves.
 */
export function parseRevision(text: string): RevisionSyntax | undefined {
  const colon = text.indexOf(':');
  const expression = colon === -1 ? text : text.slice(0, colon);
  const match = /^([^~^]+)((?:[~^].*)?)$/s.exec(expression);
  const name = match?.[1];
  const steps = parseSteps(match?.[2] ?? '');
  if (name === undefined || steps === undefined || name.includes('@{') || name.includes('..'))
    return undefined;
  const base = { name: name === '@' ? 'HEAD' : name, steps };
  return colon === -1 ? base : { ...base, path: text.slice(colon + 1) };
}

const stepPattern = /~(?<generations>\d*)|\^\{(?<kind>[a-z]*)\}|\^(?<number>\d*)/y;

function parseSteps(text: string): readonly RevisionStep[] | undefined {
  const steps: RevisionStep[] = [];
  stepPattern.lastIndex = 0;
  while (stepPattern.lastIndex < text.length) {
    const groups = stepPattern.exec(text)?.groups;
    const step = groups === undefined ? undefined : stepOf(groups);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  return steps;
}

function stepOf(groups: Readonly<Record<string, string | undefined>>): RevisionStep | undefined {
  const { generations, kind, number } = groups;
  if (generations !== undefined) {
    const count = generations === '' ? 1 : Number(generations);
    return count <= maxGenerations ? { step: 'ancestor', generations: count } : undefined;
  }
  if (number !== undefined) return { step: 'parent', number: number === '' ? 1 : Number(number) };
  switch (kind) {
    case 'commit':
    case 'tree':
    case 'blob':
    case 'tag':
    case 'object':
      return { step: 'peel', to: kind };
    case '':
      return { step: 'peel', to: 'anything but a tag' };
    default:
      return undefined;
  }
}

/** The full names that a short one may stand for, in git's order (gitrevisions(7), "<refname>"). */
export function refCandidates(name: string): readonly string[] {
  return [
    name,
    `refs/${name}`,
    `refs/tags/${name}`,
    `refs/heads/${name}`,
    `refs/remotes/${name}`,
    `refs/remotes/${name}/HEAD`,
  ];
}
