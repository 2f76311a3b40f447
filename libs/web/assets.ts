import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const stylesheet = readFileSync(new URL('assets/style.css', import.meta.url));
const icon = readFileSync(new URL('assets/icon.svg', import.meta.url));

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}

/** Named after their content, so that browsers may keep them for ever. */
export const stylesheetPath = `/assets/${digest(stylesheet)}.css`;
export const iconPath = `/assets/${digest(icon)}.svg`;

function lasting(content: Buffer<ArrayBuffer>, contentType: string): Response {
  return new Response(content, {
    headers: {
      'content-type': contentType,
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    },
  });
}

export const stylesheetResponse = (): Response => lasting(stylesheet, 'text/css; charset=utf-8');
export const iconResponse = (): Response => lasting(icon, 'image/svg+xml');

/** The same on every node that runs this code: pages that another version made are not taken for current. */
export const codeVersion = digest(
  Buffer.concat(
    globSync('**/*.{ts,css,svg}', { cwd: import.meta.dirname })
      .toSorted()
      .map((file) => readFileSync(join(import.meta.dirname, file))),
  ),
);

/**
 * Crawlers may read the pages that people are led to. What there is without end (history, each
 * commit, each file at each commit) would keep a server busy for nothing.
 */
const robots = `User-agent: *
Disallow: /login
Disallow: /new
Disallow: /settings
Disallow: /*/*/commit/
Disallow: /*/*/compare
Disallow: /*/*/history/
Disallow: /*/*/raw/
Disallow: /*/*/settings
Disallow: /*?
`;

export function robotsResponse(): Response {
  return new Response(robots, {
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'public, max-age=86400' },
  });
}
