const linesPerChunk = 1024;

/** Lines as a git process reads them from standard input, in chunks of moderate size. */
export async function* lines(items: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < items.length; at += linesPerChunk) {
    yield Buffer.from(`${items.slice(at, at + linesPerChunk).join('\n')}\n`);
  }
}
