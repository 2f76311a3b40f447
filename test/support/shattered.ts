/**
 * The first 320 bytes of the two files of the first published SHA-1 collision (M. Stevens et al., "The
 * first collision for full SHA-1", 2017, shattered.io): they differ, and have the same SHA-1.
 */

const start = Buffer.from(
  [
    'JVBERi0xLjMKJeLjz9MKCgoxIDAgb2JqCjw8L1dpZHRoIDIgMCBSL0hlaWdodCAzIDAgUi9UeXBlIDQgMCBSL1N1YnR5cGUg',
    'NSAwIFIvRmlsdGVyIDYgMCBSL0NvbG9yU3BhY2UgNyAwIFIvTGVuZ3RoIDggMCBSL0JpdHNQZXJDb21wb25lbnQgOD4+CnN0',
    'cmVhbQr/2P/+ACRTSEEtMSBpcyBkZWFkISEhISGFL+wJIzl1nDmxocY8TJfh//4B',
  ].join(''),
  'base64',
);

const blocks = [
  Buffer.from(
    [
      'c0bckWa2fhGPApq2IbJWD/nKZ8yox/hbqEx5AwwrPeIY+G2zqQkB1d9FwU8m/t+z3DjpasIv571yjw5FvOBG0jxXD+sUE5i7',
      'VS71oKgr4zH+pIA3uLXXHw4zLt+TrDUA603cDezBqGR5DHgsdiFWYN0wl5HQa9CvP5jNpLxGKbE=',
    ].join(''),
    'base64',
  ),
  Buffer.from(
    [
      'f0bck6a2fgE7ApqqHbJWC0XKZ9aIx/hLjEx5H+ArPfYU+G2xaQkBxWtFwVMK/t+3YDjpcnIv561yjw5JBOBGwjBXD+nUE5ir',
      '4S71vJQr4zVCpIAtmLXXDyozLsN/rDUU503cDyzBqHTNDHgwWiFWZGEwl4lga9C/P5jNqARGKaE=',
    ].join(''),
    'base64',
  ),
];

export const shattered: readonly Buffer[] = blocks.map((block) => Buffer.concat([start, block]));
