import { PackhorseError } from '#base';
import type { PktWriter } from './pkt-writer.ts';
import type { UploadPackRepository } from './repository.ts';

/** Answers the v2 command `bundle-uri` (gitprotocol-v2, "bundle-uri"), which takes no arguments. */
export async function serveBundleUri(
  repository: UploadPackRepository,
  lines: readonly string[],
  overHttp: boolean,
  writer: PktWriter,
): Promise<void> {
  const [unexpected] = lines;
  if (unexpected !== undefined) {
    throw new PackhorseError('invalid_argument', `bundle-uri: unexpected argument: '${unexpected}'`);
  }
  for (const [key, value] of await repository.bundleList(overHttp)) await writer.line(`${key}=${value}`);
  await writer.flush();
}
