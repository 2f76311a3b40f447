import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  buildSchema,
  getNamedType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
  validateSchema,
  type GraphQLSchema,
} from 'graphql';
import { schema } from './schema.ts';

const file = join(import.meta.dirname, 'schema.graphql');

const printed = (described: GraphQLSchema): string => printSchema(lexicographicSortSchema(described));

test('schema.graphql is what the code says', () => {
  if (process.env['UPDATE_SCHEMA'] === '1') writeFileSync(file, printed(schema));
  // Compared as schemas, because the formatter has its own idea of the layout.
  assert.ok(
    printed(buildSchema(readFileSync(file, 'utf8'))) === printed(schema),
    'run: UPDATE_SCHEMA=1 node --test libs/graphql/schema.test.ts && npx oxfmt libs/graphql',
  );
});

test('the schema is valid and every list with pages can be continued', () => {
  assert.deepEqual(validateSchema(schema), []);
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  const paged = types
    .flatMap((type) => Object.values(type.getFields()))
    .filter(({ type }) => getNamedType(type).name.endsWith('Connection'));
  assert.ok(paged.length > 5);
  for (const field of paged) {
    assert.deepEqual(
      field.args
        .map(({ name }) => name)
        .filter((name) => name === 'first' || name === 'after')
        .sort(),
      ['after', 'first'],
      field.name,
    );
  }
});
