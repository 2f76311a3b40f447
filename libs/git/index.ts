export * from './agent.ts';
export * from './object-reader.ts';
export * from './reader.ts';
