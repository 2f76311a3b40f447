import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getOperationAST, parse } from 'graphql';
import { Measurer, type Measure } from './cost.ts';
import { schema } from './schema.ts';

function measure(query: string, variables: Readonly<Record<string, unknown>> = {}): Measure {
  const document = parse(query);
  const operation = getOperationAST(document);
  assert.ok(operation);
  return new Measurer(schema, document, variables, 100).operation(operation);
}

test('a field costs one, below a page as often as there are items', () => {
  assert.deepEqual(measure('{ node { name region } }'), { depth: 2, cost: 3 });
  assert.equal(measure('{ users(first: 10) { nodes { login } } }').cost, 1 + 10 * 2);
  assert.equal(measure('{ users { nodes { login } } }').cost, 1 + 30 * 2);
});

test('variables count with their value, and a missing one with its default', () => {
  const query = 'query($n: Int) { users(first: $n) { nodes { login } } }';
  assert.equal(measure(query, { n: 50 }).cost, 101);
  assert.equal(measure(query).cost, 61);
  assert.equal(measure(query, { n: -5 }).cost, 3);
  assert.equal(measure(query, { n: 1e9 }).cost, 201);
});

test('dear fields cost more', () => {
  const plain = measure('{ repository(owner: "a", name: "b") { commit { oid } } }').cost;
  const dear = measure('{ repository(owner: "a", name: "b") { commit { diff { changedFiles } } } }').cost;
  assert.ok(dear > plain + 40);
});

test('fragments count wherever they are spread, and are measured once', () => {
  const levels = 40;
  const fragments = Array.from(
    { length: levels },
    (_, index) => `fragment F${index} on User { ...F${index + 1} ...F${index + 1} }`,
  );
  const query = `{ user(login: "a") { ...F0 } } ${fragments.join('\n')} fragment F${levels} on User { login }`;
  // Walking every spread would take 2^40 steps: that this ends is the test.
  assert.equal(measure(query).cost, 1 + 2 ** levels);
  assert.equal(measure('{ user(login: "a") { ... on User { login } ... { id } } }').cost, 3);
});

test('depth counts fields, not fragments', () => {
  assert.equal(
    measure('{ repository(owner: "a", name: "b") { ... on Repository { commit { oid } } } }').depth,
    3,
  );
});

test('introspection is not held to depth and cost', () => {
  assert.deepEqual(measure('{ __schema { types { fields { type { ofType { ofType { name } } } } } } }'), {
    depth: 0,
    cost: 0,
  });
});
