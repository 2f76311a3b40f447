import type { Plugin } from 'graphql-yoga';
import { getOperationAST, GraphQLError, parse, type DocumentNode } from 'graphql';
import { PackhorseError, type Settings } from '#base';
import { Measurer } from './cost.ts';

type Limits = Pick<Settings['graphql'], 'maxDepth' | 'maxCost' | 'maxTokens' | 'maxPageItems'>;

function refuse(message: string): never {
  throw new GraphQLError(message, {
    originalError: new PackhorseError('resource_exhausted', message),
  });
}

/** Refuses queries that are too long, too deep or too dear before anything of them is resolved. */
export function useLimits(limits: Limits): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn((source, options) => parse(source, { ...options, maxTokens: limits.maxTokens }));
    },
    onExecute({ args }) {
      const document = args.document as DocumentNode;
      const operation = getOperationAST(document, args.operationName);
      if (operation === null || operation === undefined) return;
      const variables = (args.variableValues ?? {}) as Readonly<Record<string, unknown>>;
      const measurer = new Measurer(args.schema, document, variables, limits.maxPageItems);
      const { depth, cost } = measurer.operation(operation);
      if (depth > limits.maxDepth) {
        refuse(`This query is nested ${depth} levels deep; the limit is ${limits.maxDepth}.`);
      }
      if (cost > limits.maxCost) {
        refuse(`This query costs ${cost} points; the limit is ${limits.maxCost}. Ask for smaller pages.`);
      }
    },
  };
}
