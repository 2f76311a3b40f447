import { setTimeout as delay } from 'node:timers/promises';

/** Asks `condition` again and again until it holds; fails with what it last said when it does not within `timeoutMs`. */
export async function waitUntil(
  description: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${description}`);
    await delay(20);
  }
}
