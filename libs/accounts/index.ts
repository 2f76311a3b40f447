export * from './accounts.ts';
export type { RepositoryChanges } from './changes.ts';
export * from './identity.ts';
export { emailProblem, loginProblem, passwordProblem, repositoryNameProblem } from './names.ts';
export {
  decide,
  isSiteAdmin,
  mayManageAccount,
  type RepositoryAction,
  type RepositoryRole,
  type Decision,
} from './permissions.ts';
export * from './repository.ts';
export * from './services.ts';
