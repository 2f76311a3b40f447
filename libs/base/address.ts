/** An IPv4 address as it is written, also where the socket shows it inside IPv6 (RFC 4291, 2.5.5.2). */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? 'unknown';
}
