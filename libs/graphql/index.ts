export type { NodeInfo } from './context.ts';
export { createGraphql, type GraphqlDependencies, type GraphqlHandler } from './door.ts';
