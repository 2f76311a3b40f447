import { isOid, PackhorseError } from '#base';
import type { PktWriter } from './pkt-writer.ts';
import type { UploadPackRepository } from './repository.ts';

/** A v2 `object-info` request (gitprotocol-v2, "object-info"). */
export interface ObjectInfoRequest {
  readonly size: boolean;
  /** As the client wrote them: an answer names them so. */
  readonly oids: readonly string[];
}

/** Parses the argument lines. Throws `invalid_argument`. */
export function parseObjectInfo(lines: readonly string[]): ObjectInfoRequest {
  const oids: string[] = [];
  let size = false;
  for (const line of lines) {
    if (line === 'size') size = true;
    else if (line.startsWith('oid ')) oids.push(line.slice('oid '.length));
    else throw new PackhorseError('invalid_argument', `object-info: unexpected line: '${line}'`);
  }
  return { size, oids };
}

/** Answers with what was asked for of each object; of one that does not exist, with its id and a space. */
export async function serveObjectInfo(
  repository: UploadPackRepository,
  request: ObjectInfoRequest,
  writer: PktWriter,
): Promise<void> {
  const malformed = request.oids.find((oid) => !isOid(oid, repository.objectFormat));
  if (malformed !== undefined) {
    throw new PackhorseError(
      'invalid_argument',
      `object-info: protocol error, expected to get oid, not '${malformed}'`,
    );
  }
  const sizes = await repository.objectSizes(request.oids);
  if (request.size && request.oids.length > 0) await writer.line('size');
  for (const oid of request.oids) {
    const sizeBytes = sizes.get(oid);
    if (sizeBytes === undefined) await writer.line(`${oid} `);
    else await writer.line(request.size ? `${oid} ${sizeBytes}` : oid);
  }
  await writer.flush();
}
