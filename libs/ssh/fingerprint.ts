import { createHash } from 'node:crypto';

/** A public key in SSH wire format, the way `ssh-keygen -l` names it. */
export function fingerprintOf(publicKey: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`;
}
