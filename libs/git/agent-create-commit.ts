import { type Oid, PackhorseError, zeroOid } from '#base';
import { isValidRefName, type ReceivePackRepository } from '#wire';
import { encodeCommit, newObject } from './objects/encode.ts';
import { encodePack } from './objects/pack-encoder.ts';
import type { RepositoryObjects } from './objects/repository-objects.ts';
import { editTree } from './read/tree-editor.ts';
import type { CreateCommitRequest } from './reader.ts';

/**
 * Makes a commit and moves a ref to it, as a push of the server's own: the new objects go as a
 * small pack through the same quarantine, checks and ref transaction as those of any other push.
 */
export async function createCommit(
  objects: RepositoryObjects,
  repository: ReceivePackRepository,
  request: CreateCommitRequest,
  signal: AbortSignal,
): Promise<Oid> {
  const { ref, expectedOid } = request;
  if (!ref.startsWith('refs/') || !isValidRefName(ref)) {
    throw new PackhorseError('invalid_argument', 'This is not a valid name of a branch.', {
      metadata: { ref },
    });
  }
  const before = expectedOid === undefined ? undefined : await objects.commit(expectedOid);
  if ((await repository.refs()).get(ref)?.oid !== expectedOid) throw moved(ref);
  const { treeOid, created } = await editTree(objects, before?.treeOid, request.changes);
  const { author, committer, message } = request;
  const parents = expectedOid === undefined ? [] : [expectedOid];
  const { objectFormat, receivePolicy } = repository;
  const content = encodeCommit({ treeOid, parents, author, committer, message });
  const commit = newObject('commit', content, objectFormat);

  await using quarantine = await repository.openQuarantine(signal);
  const { maxPackBytes } = receivePolicy;
  await quarantine.receive(encodePack([...created, commit], objectFormat), {
    maxPackBytes,
    clientShallows: [],
  });
  const command = { name: ref, oldOid: expectedOid ?? zeroOid(objectFormat), newOid: commit.oid };
  const [result] = await quarantine.commit([command], { atomic: true, pushOptions: [] });
  if (result?.status === 'ok') return commit.oid;
  if ((await repository.refs()).get(ref)?.oid !== expectedOid) throw moved(ref);
  throw new PackhorseError('failed_precondition', 'The branch could not be updated.', {
    metadata: { ref, reason: result?.reason },
  });
}

function moved(ref: string): PackhorseError {
  return new PackhorseError(
    'aborted',
    'The branch was changed meanwhile. Look at it again and repeat your change.',
    {
      metadata: { ref },
    },
  );
}
