export * from './agent.ts';
export * from './object-reader.ts';
export * from './reader.ts';
export { operatorConfig } from './operator-config.ts';
export { DiskRepository, type DiskRepositoryOptions } from './disk-repository.ts';
export { findGitDirectory } from './git-directory.ts';
export {
  type GitCommand,
  gitFailure,
  type GitResult,
  type GitRunCommand,
  GitRunner,
} from './process/git-runner.ts';
export type { PublishedFile } from './published-file.ts';
export { namespacePrefix } from './refs/namespace.ts';
export { RefStore, type RefStoreOptions } from './refs/ref-store.ts';
export type { RepositoryMode } from './repository-policy.ts';
export type { MaintenanceCounts } from './maintenance/scheduler.ts';
export { createStorage, type Storage } from './storage.ts';
export { openVolume, type Volume } from './volume/volume.ts';
export { type Disk, type DiskFile, systemDisk } from './volume/disk.ts';
export { type PoolCounts, RepositoryPools, type RepositoryPoolsOptions } from './pools.ts';
export type { RepositoryLocation } from './pool-repository.ts';
export type { CopyState, ReplicatedTransaction } from './replication/copy-state.ts';
export { compareCopies } from './replication/copy-state.ts';
export type { CopyContents, IncomingChange, Replica } from './replication/replica.ts';
export type { OtherCopies, Replication } from './replication/replication.ts';
