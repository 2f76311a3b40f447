import type { ObjectFormat } from '#base';
import type { RawObject } from '../objects/raw.ts';
import { commitLinks, linkKind, tagLink, type TreeLink, treeLinks } from './plain-tree.ts';

/**
 * Recognises objects that git-fsck has nothing to say about, whatever severities it was given.
 * False means "not certain": the object then goes to git itself, which also knows the words for
 * what is wrong with it. So these rules are narrower than git's and need not follow each of them.
 */
export function isPlainlyWellFormed({ kind, bytes }: RawObject, format: ObjectFormat): boolean {
  if (kind === 'commit') return isPlainCommit(bytes, format);
  if (kind === 'tag') return isPlainTag(bytes, format);
  return kind === 'blob' || isPlainTree(treeLinks(bytes, format));
}

const person = String.raw`[^<>\n\0]* <[^<>\n\0]*> (?:0|[1-9]\d{0,9}) [+-]\d{4}`;
const commitPeople = new RegExp(`^author ${person}\ncommitter ${person}\n`);
const tagPeople = new RegExp(`^tag [\\w-]+(?:[./][\\w-]+)*\ntagger ${person}\n\n`);

function isPlainCommit(bytes: Buffer, format: ObjectFormat): boolean {
  const links = commitLinks(bytes, format);
  if (links === undefined || bytes.includes(0) || !bytes.includes('\n\n')) return false;
  const digits = format === 'sha1' ? 40 : 64;
  const text = bytes.toString('latin1', digits + 6 + links.parents.length * (digits + 8));
  return commitPeople.test(text);
}

function isPlainTag(bytes: Buffer, format: ObjectFormat): boolean {
  const link = tagLink(bytes, format);
  if (link === undefined || bytes.includes(0)) return false;
  const text = bytes.toString('latin1', bytes.indexOf('\ntag ') + 1);
  return tagPeople.test(text);
}

const longestNameBytes = 1024;
/** Names that are taken for `.git` by git itself or by a file system, if only because of what a backslash, a colon or a short name means there. */
const looksLikeGit = /\/|^\.{1,2}$|(?:^|\\)\.git[ .]*(?:$|[:\\])|\\\.(?:git|mailmap)|~/i;
/** Some file systems leave letters out that are in these blocks of UTF-8: then `.g?it` is `.git`. */
const maySkipLetters = /[\xe2\xef]/;
const gitLetters = /g.*i|m.*a/is;

function isSuspicious(name: string): boolean {
  return looksLikeGit.test(name) || (maySkipLetters.test(name) && gitLetters.test(name));
}

function isPlainTree(links: readonly TreeLink[] | undefined): boolean {
  if (links === undefined) return false;
  const names = new Set<string>();
  let previous = '';
  for (const { mode, name, oid } of links) {
    const kind = linkKind(mode);
    if (kind === undefined || name === '' || name.length > longestNameBytes || isSuspicious(name))
      return false;
    // Directories are sorted as if a slash followed their names.
    const key = kind === 'tree' ? `${name}/` : name;
    if (key <= previous || names.has(name) || /^0+$/.test(oid)) return false;
    names.add(name);
    previous = key;
  }
  return true;
}

/** Whether fsck looks into, or at the kind of, what stands under this name: `.gitmodules` and its like. */
export function isSpecialName(name: string): boolean {
  return /^\.(?:git(?:modules|attributes|ignore)|mailmap)/i.test(name);
}

const longestAttributesLineBytes = 2048;

/** Whether fsck has nothing to say about an entry of that special name; `bytes` is its content where that is at hand. */
export function isPlainSpecial(name: string, mode: string, bytes: Buffer | undefined): boolean {
  if (mode !== '100644' && mode !== '100755') return false;
  if (name === '.gitignore' || name === '.mailmap') return true;
  if (name !== '.gitattributes' || bytes === undefined) return false;
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline === -1 ? bytes.length : newline;
    if (end - at >= longestAttributesLineBytes) return false;
    at = end + 1;
  }
  return true;
}
