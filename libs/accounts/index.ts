export * from './identity.ts';
export * from './permissions.ts';
export * from './repository.ts';
export * from './services.ts';
