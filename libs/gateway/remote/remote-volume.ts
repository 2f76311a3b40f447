import type { RpcClient } from '#cluster';
import type { Volume } from '#git';
import type { RepositoryVolume } from '../locator.ts';
import { topics } from './topics.ts';

type NewRepository = Parameters<Volume['createRepository']>[1];

/** What a volume is asked for by another node. */
export type VolumeArgument = { readonly volumeId: string; readonly id: string } & Partial<NewRepository>;

/** A volume that is mounted on another node. */
export class RemoteVolume implements RepositoryVolume {
  readonly id: string;
  readonly #node: RpcClient;

  constructor(id: string, node: RpcClient) {
    this.id = id;
    this.#node = node;
  }

  async createRepository(id: string, options: NewRepository): Promise<void> {
    await this.#node.call(topics.createOnVolume, { volumeId: this.id, id, ...options });
  }

  async removeRepository(id: string): Promise<void> {
    await this.#node.call(topics.removeFromVolume, { volumeId: this.id, id });
  }
}
