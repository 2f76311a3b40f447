import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildSchema, parse, validate } from 'graphql';

const schema = buildSchema(
  readFileSync(join(import.meta.dirname, '../../libs/graphql/schema.graphql'), 'utf8'),
);
const files = globSync(['*.ts', 'commands/*.ts'], { cwd: import.meta.dirname }).filter(
  (file) => !file.endsWith('.test.ts') && file !== 'main.ts',
);

test('everything that the commands ask is in the schema', async () => {
  const documents: string[] = [];
  for (const file of files) {
    const module = (await import(`./${file}`)) as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== 'string' || !/^(query|mutation) /.test(value)) continue;
      assert.deepEqual(
        validate(schema, parse(value)).map(({ message }) => message),
        [],
        `${name} in ${file}`,
      );
      documents.push(name);
    }
  }
  assert.ok(documents.length > 15, documents.join(' '));
});
