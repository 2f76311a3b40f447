import type { PackhorseError } from '#base';

/** Why an actor ended. */
export type ExitReason =
  /** It was done, or idle. */
  | { readonly kind: 'normal' }
  /** Its supervisor or the system stopped it. */
  | { readonly kind: 'shutdown' }
  /** A handler threw, or a linked actor crashed. */
  | { readonly kind: 'crash'; readonly error: PackhorseError }
  /** It was ended without being asked. */
  | { readonly kind: 'killed' };

export const normal: ExitReason = { kind: 'normal' };
export const shutdown: ExitReason = { kind: 'shutdown' };
export const killed: ExitReason = { kind: 'killed' };

/** True for exits that nobody asked for: they spread over links, and transient children are restarted after them. */
export function isAbnormal(reason: ExitReason): boolean {
  return reason.kind === 'crash' || reason.kind === 'killed';
}
