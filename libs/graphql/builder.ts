import SchemaBuilder from '@pothos/core';
import { GraphQLError, Kind } from 'graphql';
import type { Context } from './context.ts';

interface SchemaTypes {
  readonly Context: Context;
  readonly DefaultFieldNullability: false;
  readonly Scalars: {
    readonly ID: { readonly Input: string; readonly Output: string };
    readonly DateTime: { readonly Input: Date; readonly Output: Date };
    readonly Long: { readonly Input: number; readonly Output: number };
  };
}

/** The schema is made in code: every type's file adds its part to this one builder. */
export const builder = new SchemaBuilder<SchemaTypes>({ defaultFieldNullability: false });

/** RFC 3339, section 5.6, with a time zone: without one nobody knows which moment is meant. */
const timestampPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

function parseDateTime(value: unknown): Date {
  if (typeof value === 'string' && timestampPattern.test(value)) {
    const date = new Date(value);
    if (!Number.isNaN(date.getTime())) return date;
  }
  throw new GraphQLError('A DateTime is written as in RFC 3339, such as "2030-12-31T23:59:59Z".');
}

builder.scalarType('DateTime', {
  description: 'A moment as in RFC 3339, such as `2030-12-31T23:59:59.000Z`.',
  serialize: (date) => date.toISOString(),
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined),
});

builder.scalarType('Long', {
  description: 'A whole number that may be larger than 32 bits (up to 2^53 - 1).',
  serialize: (value) => value,
  parseValue: () => {
    throw new GraphQLError('Long is only used in answers.');
  },
});
