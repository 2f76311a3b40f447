import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKnown, weakTag } from './http-cache.ts';

test('a tag is the same for the same parts and another for others', () => {
  assert.equal(weakTag(['a', { b: 1 }]), weakTag(['a', { b: 1 }]));
  assert.notEqual(weakTag(['a', 'b']), weakTag(['ab']));
  assert.match(weakTag([]), /^W\/"[\w-]{22}"$/);
});

test('a browser knows a page by any of the tags that it names, weak or strong', () => {
  assert.equal(isKnown(undefined, 'W/"a"'), false);
  assert.equal(isKnown('"a"', 'W/"a"'), true);
  assert.equal(isKnown('W/"x", W/"a"', 'W/"a"'), true);
  assert.equal(isKnown('W/"a"', '"a"'), true);
  assert.equal(isKnown('*', 'W/"a"'), true);
  assert.equal(isKnown('"b"', 'W/"a"'), false);
});
