import type { GraphQLSchema } from 'graphql';
import './queries.ts';
import './account-mutations.ts';
import './repository-mutations.ts';
import './cluster-types.ts';
import { builder } from './builder.ts';

/** The whole API; `schema.graphql` beside it is the same for people and for code generators. */
export const schema: GraphQLSchema = builder.toSchema();
