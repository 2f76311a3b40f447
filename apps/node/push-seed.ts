import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { randomId, type Random } from '#base';

/**
 * The secret that nonces of signed pushes are made from (git-config, receive.certNonceSeed), made on
 * first use. It outlives a restart, so that a push that was under way is still recognised.
 */
export function loadOrCreatePushSeed(path: string, random: Random): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  try {
    writeFileSync(path, `${randomId(random)}${randomId(random)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}
