export * from './log.ts';
export * from './loop-delay.ts';
export * from './metrics.ts';
