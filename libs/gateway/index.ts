export { AccountsGitGateway } from './accounts-gateway.ts';
export type { NewRepository, OpenRepository, RepositoryGateway } from './forge.ts';
export type { GitGateway, GitRequest, GitService, GitSession } from './gateway.ts';
export type { SessionContext } from './git-session.ts';
export type { ImportPolicy } from './import.ts';
export { LocalLocator } from './locator.ts';
export { AccountsRepositoryGateway } from './repository-gateway.ts';
export { RootGitGateway, type RootOptions } from './root-gateway.ts';
export { SessionLimits } from './session-limits.ts';
