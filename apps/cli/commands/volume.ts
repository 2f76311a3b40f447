import type { Command } from 'commander';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { formatSize, printTable } from '../table.ts';

interface Volume {
  readonly id: string;
  readonly node: string;
  readonly region: string;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly sizeBytes: number | null;
  readonly freeBytes: number | null;
}

export const listVolumes = `query ListVolumes {
  volumes { id node region isAlive isDraining sizeBytes freeBytes }
}`;

/** How a node, or a volume with its node, is. */
export function stateOf({
  isAlive,
  isDraining,
}: {
  readonly isAlive: boolean;
  readonly isDraining: boolean;
}): string {
  if (!isAlive) return 'gone';
  return isDraining ? 'draining' : 'live';
}

async function list(options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { volumes } = await client.ask<{ volumes: readonly Volume[] }>(listVolumes);
  const size = (bytes: number | null): string => (bytes === null ? '-' : formatSize(bytes));
  output(options, volumes, () =>
    printTable(
      ['VOLUME', 'NODE', 'REGION', 'STATE', 'FREE', 'SIZE'],
      volumes.map((volume) => [
        volume.id,
        volume.node,
        volume.region,
        stateOf(volume),
        size(volume.freeBytes),
        size(volume.sizeBytes),
      ]),
      'There are no volumes.',
    ),
  );
}

export function volumeCommands(): Command {
  return group('volume', 'the disks that store repositories', [
    clientCommand('list', 'list the volumes, and which node has each').action(list),
  ]);
}
