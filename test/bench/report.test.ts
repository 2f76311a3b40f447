import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contestant } from './contestant.ts';
import { formatTable, reportLines } from './report.ts';
import type { Metric, Row } from './row.ts';

function contestant(name: string, isBaseline: boolean): Contestant {
  return {
    name,
    transport: 'http',
    isBaseline,
    isOurs: !isBaseline,
    pids: [],
    url: '',
    env: {},
    create: () => Promise.resolve(''),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const [theirs, ours] = [contestant('theirs', true), contestant('ours', false)];

function tableOf(metric: Metric, theirValue: number, ourValue: number): string {
  const row: Row = {
    id: 'row',
    title: 'something',
    transports: ['http'],
    metrics: [metric],
    rounds: 3,
    measure: () => Promise.resolve([]),
  };
  // The median counts, not the outlier.
  const samples = new Map([
    [theirs, [[theirValue], [theirValue], [theirValue * 9]]],
    [ours, [[ourValue], [ourValue], [ourValue * 9]]],
  ]);
  return (
    formatTable(reportLines(row, samples), [theirs, ours]).split('\n')[2]?.replace(/ +/g, ' ').trim() ?? ''
  );
}

test('a time is better when it is shorter, and the goal stands beside it', () => {
  const line = tableOf({ name: 'total', unit: 'ms', atLeast: { http: 5 } }, 600, 100);
  assert.equal(line, 'something: total [ms] 5x 600 100 (6.00x)');
});

test('a rate is better when it is higher, and a missed goal is marked', () => {
  const line = tableOf({ name: 'rate', unit: 'requests/s', atLeast: { http: 5 } }, 100, 400);
  assert.equal(line, 'something: rate [requests/s] 5x 100 400 (4.00x) !');
});

test('an absolute goal does not look at the others', () => {
  const metric: Metric = { name: 'memory', unit: 'MiB', atMost: 100 };
  assert.equal(tableOf(metric, 500, 101), 'something: memory [MiB] max 100 500 101 (4.95x) !');
  assert.equal(tableOf(metric, 50, 99), 'something: memory [MiB] max 100 50.0 99.0 (0.51x)');
});
