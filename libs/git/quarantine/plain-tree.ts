import type { ObjectFormat, Oid } from '#base';

/** One entry of a tree object, as far as links between objects go. */
export interface TreeLink {
  readonly mode: string;
  /** Byte for byte, as latin1. */
  readonly name: string;
  readonly oid: Oid;
}

/** The entries of a tree object (`mode SP name NUL id`, again and again); undefined when it is damaged. */
export function treeLinks(bytes: Buffer, format: ObjectFormat): TreeLink[] | undefined {
  const idBytes = format === 'sha1' ? 20 : 32;
  const links: TreeLink[] = [];
  for (let at = 0; at < bytes.length;) {
    const modeEnd = bytes.indexOf(0x20, at);
    const nameEnd = modeEnd === -1 ? -1 : bytes.indexOf(0, modeEnd + 1);
    const end = nameEnd + 1 + idBytes;
    if (nameEnd === -1 || end > bytes.length) return undefined;
    links.push({
      mode: bytes.toString('latin1', at, modeEnd),
      name: bytes.toString('latin1', modeEnd + 1, nameEnd),
      oid: bytes.toString('hex', nameEnd + 1, end),
    });
    at = end;
  }
  return links;
}

/** What a mode that git writes stands for; undefined for any other. */
export function linkKind(mode: string): 'tree' | 'blob' | 'submodule' | undefined {
  switch (mode) {
    case '40000':
      return 'tree';
    case '100644':
    case '100755':
    case '120000':
      return 'blob';
    case '160000':
      return 'submodule';
    default:
      return undefined;
  }
}

/** The tree and the parents that a commit names; undefined when that is not as git writes it. */
export function commitLinks(
  bytes: Buffer,
  format: ObjectFormat,
): { readonly tree: Oid; readonly parents: readonly Oid[] } | undefined {
  const digits = format === 'sha1' ? 40 : 64;
  const id = new RegExp(`^(tree|parent) ([0-9a-f]{${digits}})\n`);
  const read = (at: number, key: string): Oid | undefined => {
    const match = id.exec(bytes.toString('latin1', at, at + digits + 8));
    return match?.[1] === key ? match[2] : undefined;
  };
  const tree = read(0, 'tree');
  if (tree === undefined) return undefined;
  const parents: Oid[] = [];
  for (let at = digits + 6; ; at += digits + 8) {
    const parent = read(at, 'parent');
    if (parent === undefined) return { tree, parents };
    parents.push(parent);
  }
}

/** What an annotated tag names; undefined when that is not as git writes it. */
export function tagLink(
  bytes: Buffer,
  format: ObjectFormat,
): { readonly target: Oid; readonly kind: string } | undefined {
  const digits = format === 'sha1' ? 40 : 64;
  const match = new RegExp(`^object ([0-9a-f]{${digits}})\ntype (commit|tree|blob|tag)\ntag `).exec(
    bytes.toString('latin1', 0, digits + 32),
  );
  const [, target, kind] = match ?? [];
  return target === undefined || kind === undefined ? undefined : { target, kind };
}
