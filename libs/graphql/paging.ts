import type { ObjectRef, SchemaTypes as AnySchemaTypes } from '@pothos/core';
import { PackhorseError } from '#base';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

/** One page of a list; `endCursor` is what `after` continues with. */
export interface Connection<Node> {
  readonly nodes: readonly Node[];
  readonly endCursor: string | undefined;
  readonly hasNextPage: boolean;
}

const PageInfo = builder.objectRef<Connection<unknown>>('PageInfo').implement({
  description: 'Where a page ends. Cursors are opaque and stay valid when items are added or removed.',
  fields: (t) => ({
    endCursor: t.string({
      nullable: true,
      description: 'What `after` continues with; null on an empty page.',
      resolve: (connection) => connection.endCursor,
    }),
    hasNextPage: t.exposeBoolean('hasNextPage'),
  }),
});

type Types =
  typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T extends AnySchemaTypes> ? T : never;

/** Defines `NAMEConnection { nodes pageInfo }`. */
export function connectionType<Node>(name: string, node: ObjectRef<Types, Node>) {
  return builder.objectRef<Connection<Node>>(`${name}Connection`).implement({
    fields: (t) => ({
      nodes: t.field({ type: [node], resolve: (connection) => connection.nodes as Node[] }),
      pageInfo: t.field({ type: PageInfo, resolve: (connection) => connection }),
    }),
  });
}

const defaultPageItems = 30;

/** The arguments of every list: `first` and `after`. */
export const pageArguments = builder.args((arg) => ({
  first: arg.int({ defaultValue: defaultPageItems, description: 'Items on the page.' }),
  after: arg.string({ description: 'The `endCursor` of the page before.' }),
}));

export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}

const encodeCursor = (key: string): string => Buffer.from(key).toString('base64url');

/** The page that is asked for, its cursor decoded. Throws `invalid_argument`. */
export function readPage(
  page: PageArguments,
  limits: Context['limits'],
): { readonly limit: number; readonly after: string | undefined } {
  const limit = page.first ?? defaultPageItems;
  if (limit < 1 || limit > limits.maxPageItems) {
    throw new PackhorseError('invalid_argument', `"first" must be from 1 to ${limits.maxPageItems}.`);
  }
  const after = page.after ?? undefined;
  return { limit, after: after === undefined ? undefined : Buffer.from(after, 'base64url').toString() };
}

/**
 * A page of a list that is fetched by key: `fetch` gets one more than asked for, which tells
 * whether there is a next page.
 */
export async function keysetPage<Node>(
  page: PageArguments,
  context: Context,
  keyOf: (node: Node) => string,
  fetch: (page: { readonly limit: number; readonly after?: string }) => Promise<readonly Node[]>,
): Promise<Connection<Node>> {
  const { limit, after } = readPage(page, context.limits);
  const found = await fetch({ limit: limit + 1, ...(after !== undefined && { after }) });
  return connection(found.slice(0, limit), found.length > limit, keyOf);
}

/** A page of a list that is already in memory, sorted by the bytes of `keyOf`. */
export function sortedPage<Node>(
  page: PageArguments,
  context: Context,
  keyOf: (node: Node) => string,
  all: readonly Node[],
): Connection<Node> {
  const { limit, after } = readPage(page, context.limits);
  const cursor = after === undefined ? undefined : Buffer.from(after);
  const start =
    cursor === undefined ? 0 : firstAfter(all, (node) => Buffer.from(keyOf(node)).compare(cursor));
  return connection(all.slice(start, start + limit), all.length > start + limit, keyOf);
}

/** A page of a list whose items have no key: the cursor is the position, prefixed by what it belongs to. */
export async function positionPage<Node>(
  page: PageArguments,
  context: Context,
  list: string,
  fetch: (
    skip: number,
    limit: number,
  ) => Promise<{ readonly nodes: readonly Node[]; readonly hasMore: boolean }>,
): Promise<Connection<Node>> {
  const { limit, after } = readPage(page, context.limits);
  const position = after === undefined ? `${list}:0` : after;
  const skip = Number(position.slice(list.length + 1));
  if (!position.startsWith(`${list}:`) || !Number.isSafeInteger(skip) || skip < 0) {
    throw new PackhorseError('invalid_argument', 'That cursor belongs to another list: leave "after" out.');
  }
  const { nodes, hasMore } = await fetch(skip, limit);
  return {
    nodes,
    hasNextPage: hasMore,
    endCursor: nodes.length === 0 ? undefined : encodeCursor(`${list}:${skip + nodes.length}`),
  };
}

function connection<Node>(
  nodes: readonly Node[],
  hasNextPage: boolean,
  keyOf: (node: Node) => string,
): Connection<Node> {
  const last = nodes.at(-1);
  return { nodes, hasNextPage, endCursor: last === undefined ? undefined : encodeCursor(keyOf(last)) };
}

/** Binary search for the first item that compares greater than the cursor. */
function firstAfter<Node>(sorted: readonly Node[], compare: (node: Node) => number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const node = sorted[middle];
    if (node !== undefined && compare(node) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
