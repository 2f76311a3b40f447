import { BlockList, isIP } from 'node:net';
import { addNetwork, familyOf } from '#base';

/**
 * True when `address` matches a comma-separated list of patterns (ssh_config(5), "PATTERNS"):
 * addresses with `*` and `?`, or CIDR. One pattern with `!` that matches decides against it. Host
 * names match nothing, since addresses are not looked up.
 */
export function matchesAddress(patterns: string, address: string): boolean {
  let matches = false;
  for (const entry of patterns.split(',')) {
    const pattern = entry.trim();
    const isNegated = pattern.startsWith('!');
    if (!matchesOne(isNegated ? pattern.slice(1) : pattern, address)) continue;
    if (isNegated) return false;
    matches = true;
  }
  return matches;
}

function matchesOne(pattern: string, address: string): boolean {
  if (pattern.includes('/')) {
    const networks = new BlockList();
    // An IPv4 address is also looked for among IPv6 networks, which is not what the pattern says.
    const isSameFamily = isIP(pattern.split('/', 1)[0] ?? '') === isIP(address);
    return isSameFamily && addNetwork(networks, pattern) && networks.check(address, familyOf(address));
  }
  const source = pattern
    .replaceAll(/[^\w*?]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(address);
}
