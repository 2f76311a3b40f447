export { openDatabase, type Database, type DatabaseClient, type DatabaseOptions } from './database.ts';
export type { Prisma } from './generated/client.ts';
