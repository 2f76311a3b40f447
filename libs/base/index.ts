export * from './bytes.ts';
export * from './clock.ts';
export * from './errors.ts';
export * from './log.ts';
export * from './node-streams.ts';
export * from './oid.ts';
export * from './random.ts';
export * from './settings.ts';
