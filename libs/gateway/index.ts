export * from './gateway.ts';
export * from './forge.ts';
