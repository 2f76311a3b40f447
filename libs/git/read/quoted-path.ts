const escapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 0x22,
  '\\': 0x5c,
};

/**
 * A path as git prints it: as it is, or in double quotes with C escapes when it holds unusual
 * characters (git-config(1), `core.quotePath`). Returns its exact bytes.
 */
export function unquotePath(printed: Buffer): Buffer {
  if (printed[0] !== 0x22) return printed;
  const text = printed.toString('latin1', 1, printed.length - 1);
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== '\\') {
      bytes.push(text.charCodeAt(at));
      continue;
    }
    const octal = /^[0-7]{3}/.exec(text.slice(at + 1, at + 4))?.[0];
    bytes.push(octal === undefined ? (escapes[text[at + 1] ?? ''] ?? 0x3f) : Number.parseInt(octal, 8));
    at += octal === undefined ? 1 : 3;
  }
  return Buffer.from(bytes);
}
