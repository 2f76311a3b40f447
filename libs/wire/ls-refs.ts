import { PackhorseError } from '#base';
import { type HiddenRefs, hiddenRefs } from './hidden-refs.ts';
import { pktText } from './pkt-line.ts';
import type { Ref, RefSnapshot, UploadPackPolicy } from './repository.ts';

/** A v2 `ls-refs` request (gitprotocol-v2, "ls-refs"). */
export interface LsRefsRequest {
  readonly peel: boolean;
  readonly symrefs: boolean;
  readonly unborn: boolean;
  /** Sorted, none a prefix of another; undefined lists everything. */
  readonly prefixes: readonly string[] | undefined;
}

/** Prefix lists longer than this are not remembered: they are questions for single refs. */
const maxRememberedPrefixes = 8;
/** Refs whose lines are put together before they are handed on. */
const refsPerChunk = 1_024;

/**
 * Parses the argument lines. With more than `maxPrefixes` prefixes all refs are listed, as in Git,
 * and an `unborn` that the config says to ignore is ignored.
 */
export function parseLsRefs(
  lines: readonly string[],
  maxPrefixes: number,
  unborn: UploadPackPolicy['unborn'] = 'advertise',
): LsRefsRequest {
  const prefixes: string[] = [];
  const flags = new Set<string>();
  for (const line of lines) {
    if (line.startsWith('ref-prefix ')) prefixes.push(line.slice('ref-prefix '.length));
    else if (line === 'peel' || line === 'symrefs' || line === 'unborn') flags.add(line);
    else throw new PackhorseError('invalid_argument', `unexpected line: '${line}'`);
  }
  const listsAll = prefixes.length === 0 || prefixes.length > maxPrefixes;
  return {
    peel: flags.has('peel'),
    symrefs: flags.has('symrefs'),
    unborn: flags.has('unborn') && unborn !== 'ignore',
    prefixes: listsAll ? undefined : disjoint(prefixes),
  };
}

/** Sorts by bytes, as refs are, and drops what a shorter prefix covers already. */
function disjoint(prefixes: readonly string[]): readonly string[] {
  const sorted = prefixes.map((text) => Buffer.from(text)).sort((a, b) => Buffer.compare(a, b));
  const kept: string[] = [];
  for (const bytes of sorted) {
    const text = bytes.toString();
    const last = kept.at(-1);
    if (last === undefined || !text.startsWith(last)) kept.push(text);
  }
  return kept;
}

function refLine(ref: Ref, request: LsRefsRequest): string {
  let text = `${ref.oid} ${ref.name}`;
  if (request.symrefs && ref.symref !== undefined) text += ` symref-target:${ref.symref}`;
  if (request.peel && ref.peeled !== undefined) text += ` peeled:${ref.peeled}`;
  return pktText(`${text}\n`);
}

function headLine(snapshot: RefSnapshot, request: LsRefsRequest, hidden: HiddenRefs): string {
  const isAsked = request.prefixes?.some((prefix) => 'HEAD'.startsWith(prefix)) ?? true;
  if (!isAsked || hidden.hides('HEAD')) return '';
  const { oid, symref } = snapshot.head;
  if (oid !== undefined) return refLine({ ...snapshot.head, name: 'HEAD', oid }, request);
  if (!request.unborn || !request.symrefs || symref === undefined) return '';
  return pktText(`unborn HEAD symref-target:${symref}\n`);
}

function* listed(snapshot: RefSnapshot, request: LsRefsRequest): Generator<Ref> {
  if (request.prefixes === undefined) yield* snapshot.refs;
  else for (const prefix of request.prefixes) yield* snapshot.withPrefix(prefix);
}

function* encode(
  snapshot: RefSnapshot,
  request: LsRefsRequest,
  hiddenPatterns: readonly string[],
): Generator<Buffer> {
  const hidden = hiddenRefs(hiddenPatterns);
  let text = headLine(snapshot, request, hidden);
  let refs = 0;
  for (const ref of listed(snapshot, request)) {
    if (!hidden.isEmpty && hidden.hides(ref.name)) continue;
    text += refLine(ref, request);
    refs += 1;
    if (refs % refsPerChunk === 0) {
      yield Buffer.from(text);
      text = '';
    }
  }
  yield Buffer.from(`${text}0000`);
}

interface Remembered {
  readonly answers: Map<string, Buffer>;
  sizeBytes: number;
}

const answersBySnapshot = new WeakMap<RefSnapshot, Remembered>();

function key(request: LsRefsRequest, hiddenPatterns: readonly string[]): string {
  const { peel, symrefs, unborn, prefixes } = request;
  return JSON.stringify([peel, symrefs, unborn, prefixes ?? null, hiddenPatterns]);
}

/**
 * The answer, encoded, with its flush, in chunks to be written one after the other. The forms that
 * clients use all the time are encoded once per snapshot, up to `maxRememberedBytes`.
 */
export function lsRefsAnswer(
  snapshot: RefSnapshot,
  request: LsRefsRequest,
  hiddenPatterns: readonly string[],
  maxRememberedBytes: number,
): Iterable<Buffer> {
  const prefixes = request.prefixes ?? [];
  if (prefixes.length > maxRememberedPrefixes) return encode(snapshot, request, hiddenPatterns);
  const answerKey = key(request, hiddenPatterns);
  let remembered = answersBySnapshot.get(snapshot);
  if (remembered === undefined) {
    answersBySnapshot.set(snapshot, (remembered = { answers: new Map(), sizeBytes: 0 }));
  }
  const known = remembered.answers.get(answerKey);
  if (known !== undefined) return [known];
  const answer = Buffer.concat([...encode(snapshot, request, hiddenPatterns)]);
  if (remembered.sizeBytes + answer.length <= maxRememberedBytes) {
    remembered.answers.set(answerKey, answer);
    remembered.sizeBytes += answer.length;
  }
  return [answer];
}
