import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const stylesheet = readFileSync(new URL('assets/style.css', import.meta.url));
const version = createHash('sha256').update(stylesheet).digest('hex').slice(0, 12);

/** Named after its content, so that browsers may keep it for ever. */
export const stylesheetPath = `/assets/${version}.css`;

export function stylesheetResponse(): Response {
  return new Response(stylesheet, {
    headers: {
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
    },
  });
}
