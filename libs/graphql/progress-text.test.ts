import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ProgressText } from './progress-text.ts';

test('a carriage return rewrites the line, a newline ends it', () => {
  const text = new ProgressText(10);
  text.write('Counting: 1\rCounting: 22\rCounting: 3');
  assert.deepEqual(text.lines(0), [{ number: 0, text: 'Counting: 3', isFinished: false }]);
  text.write(', done.\nNext');
  assert.deepEqual(text.lines(0), [
    { number: 0, text: 'Counting: 3, done.', isFinished: true },
    { number: 1, text: 'Next', isFinished: false },
  ]);
  assert.deepEqual(text.lines(2), []);
});

test('a line stays visible after its carriage return until something follows', () => {
  const text = new ProgressText(10);
  text.write('50%\r');
  assert.equal(text.lines(0)[0]?.text, '50%');
  text.write('\n');
  assert.deepEqual(text.lines(0), [{ number: 0, text: '50%', isFinished: true }]);
});

test('the end finishes a line that was left open', () => {
  const text = new ProgressText(10);
  text.write('almost');
  text.end();
  text.end();
  assert.deepEqual(text.lines(0), [{ number: 0, text: 'almost', isFinished: true }]);
});

test('only the newest lines are kept, under their own numbers', () => {
  const text = new ProgressText(2);
  text.write('a\nb\nc\nd');
  assert.deepEqual(
    text.lines(0).map(({ number, text }) => [number, text]),
    [
      [1, 'b'],
      [2, 'c'],
      [3, 'd'],
    ],
  );
});

test('a line without an end does not fill the memory', () => {
  const text = new ProgressText(2);
  for (let i = 0; i < 100; i += 1) text.write('x'.repeat(100));
  assert.equal(text.lines(0)[0]?.text.length, 500);
});

test('it does not matter where the text is cut into pieces', () => {
  const pieces = fc.array(fc.constantFrom('a', 'bc', '\r', '\n', '\r\n', ' '), { maxLength: 30 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 7 }), (all, size) => {
      const whole = new ProgressText(5);
      whole.write(all.join(''));
      const cut = new ProgressText(5);
      const letters = all.join('');
      for (let at = 0; at < letters.length; at += size) cut.write(letters.slice(at, at + size));
      assert.deepEqual(cut.lines(0), whole.lines(0));
    }),
  );
});

test('whoever asks again from the last unfinished line misses none and sees none twice', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '\r', '\n', 'word'), { maxLength: 40 }), (pieces) => {
      const text = new ProgressText(1_000);
      const seen: string[] = [];
      const ask = (): void => {
        for (const line of text.lines(seen.length)) if (line.isFinished) seen.push(line.text);
      };
      for (const piece of pieces) {
        text.write(piece);
        ask();
      }
      text.end();
      ask();
      assert.deepEqual(
        seen,
        text.lines(0).map((line) => line.text),
      );
    }),
  );
});
