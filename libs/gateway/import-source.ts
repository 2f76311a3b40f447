import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { PackhorseError } from '#base';

/** Where an import reads from, after it was decided that it may. */
export interface ImportSource {
  /** What git is given. */
  readonly address: string;
  /** Git configuration that holds the connection to what was checked. */
  readonly config: Readonly<Record<string, string>>;
}

export interface ImportRights {
  /** Administrators may name paths of this machine and private addresses. */
  readonly trusted: boolean;
  /** Injected in tests. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/** Ranges that are not the public Internet (RFC 6890 and successors), where a server must not be led to. */
const privateRanges = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  privateRanges.addSubnet(network, prefix, 'ipv4');
}
/** Only global unicast is public, and of it not the ranges that stand for an IPv4 address or documentation. */
const publicIpv6 = new BlockList();
publicIpv6.addSubnet('2000::', 3, 'ipv6');
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const) {
  privateRanges.addSubnet(network, prefix, 'ipv6');
}

/** True for an address of the public Internet; IPv4-mapped IPv6 addresses are judged as IPv4. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  if (isIP(plain) === 4) return !privateRanges.check(plain, 'ipv4');
  return isIP(plain) === 6 && publicIpv6.check(plain, 'ipv6') && !privateRanges.check(plain, 'ipv6');
}

const refused = (message: string): PackhorseError => new PackhorseError('invalid_argument', message);

async function resolveByDns(hostname: string): Promise<readonly string[]> {
  return (await lookup(hostname, { all: true, verbatim: true })).map((entry) => entry.address);
}

/**
 * Checks what a person named as the source of an import. A host name is resolved once, and the
 * connection is held to that address, so that neither DNS nor a redirect can lead elsewhere.
 * Throws `invalid_argument`, `permission_denied`, or `unavailable` when the name cannot be resolved.
 */
export async function checkImportSource(source: string, rights: ImportRights): Promise<ImportSource> {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(source)) return localSource(source, rights);
  const url = URL.canParse(source) ? new URL(source) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw refused('A repository can be imported from an http or https address.');
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(hostname) === 0 ? await resolve(hostname, rights) : [hostname];
  const address = rights.trusted ? addresses[0] : addresses.find((candidate) => isPublicAddress(candidate));
  if (address === undefined || (!rights.trusted && !addresses.every(isPublicAddress))) {
    throw new PackhorseError(
      'permission_denied',
      'That address is not on the public Internet; only an administrator can import from there.',
    );
  }
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return {
    address: url.href,
    config: {
      'protocol.http.allow': 'always',
      'protocol.https.allow': 'always',
      'http.followRedirects': rights.trusted ? 'initial' : 'false',
      ...(isIP(hostname) === 0 && {
        'http.curloptResolve': `${hostname}:${port}:${isIP(address) === 6 ? `[${address}]` : address}`,
      }),
    },
  };
}

async function resolve(hostname: string, rights: ImportRights): Promise<readonly string[]> {
  try {
    return await (rights.resolve ?? resolveByDns)(hostname);
  } catch (cause) {
    throw new PackhorseError('unavailable', 'The host of that address cannot be found.', { cause });
  }
}

function localSource(source: string, rights: ImportRights): ImportSource {
  if (!rights.trusted) {
    throw new PackhorseError(
      'permission_denied',
      'Only an administrator can import from a path on the server.',
    );
  }
  if (!isAbsolute(source)) throw refused('The path of the repository to import must be absolute.');
  return { address: source, config: { 'protocol.file.allow': 'always' } };
}
