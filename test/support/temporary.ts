import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';

/** A fresh directory, removed with its content when the test process ends. */
export function temporaryDirectory(purpose: string): string {
  const path = mkdtempSync(join(realpathSync(tmpdir()), `packhorse-${purpose}-`));
  atEnd(() => removeDirectory(path));
  return path;
}

/** Removes a directory now; one that is already gone is fine. */
export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
