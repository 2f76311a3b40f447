export type { NodeInfo, Observation, ObservedActor } from './context.ts';
export { createGraphql, type GraphqlDependencies, type GraphqlHandler } from './door.ts';
