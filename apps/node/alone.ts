import { statfs } from 'node:fs/promises';
import { randomId } from '#base';
import type { VolumeState } from '#cluster';
import { SingleNode } from '#cluster/alone';
import type { Volume } from '#git';
import type { NodeOptions } from './options.ts';
import { version } from './version.ts';

/** The volume and the space of its disk, now. */
export async function volumeState({ id, path }: Volume): Promise<VolumeState> {
  const { bsize, blocks, bavail } = await statfs(path);
  return { id, sizeBytes: bsize * blocks, freeBytes: bsize * bavail };
}

/** The membership of a node that no other node knows. */
export async function aloneWith(
  volume: Volume,
  { nodeName, region }: Pick<NodeOptions, 'nodeName' | 'region'>,
): Promise<SingleNode> {
  const volumes = [await volumeState(volume)];
  return new SingleNode({
    name: nodeName,
    instanceId: randomId(),
    region,
    address: undefined,
    version,
    volumes,
  });
}
