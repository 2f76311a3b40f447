export * from './conversation.ts';
export * from './repository.ts';
