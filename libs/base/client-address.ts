import { BlockList, isIP } from 'node:net';
import { plainAddress } from './address.ts';

/** What is asked of an HTTP request. */
export interface AddressedRequest {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const noted = new WeakMap<object, string>();

/** Where a request came from: what `TrustedProxies` found out about it, else the other end of its connection. */
export function clientAddress(request: Pick<AddressedRequest, 'socket'>): string {
  return noted.get(request) ?? plainAddress(request.socket.remoteAddress);
}

/** The proxies whose word about their clients counts. */
export class TrustedProxies {
  readonly #networks = new BlockList();
  readonly #header: string;
  readonly #userHeader: string | undefined;
  #isEmpty = true;

  /**
   * `networks` are addresses or networks (`10.0.0.0/8`), `header` the field in which they name the
   * client, `userHeader` the one in which they name the user who logged in there. Throws a RangeError
   * that names the text which is neither.
   */
  constructor(networks: readonly string[], header = 'x-forwarded-for', userHeader?: string) {
    this.#header = header.toLowerCase();
    this.#userHeader = userHeader?.toLowerCase();
    for (const text of networks) {
      if (!addNetwork(this.#networks, text)) throw new RangeError(`"${text}" is no address and no network.`);
      this.#isEmpty = false;
    }
  }

  trusts(address: string): boolean {
    if (this.#isEmpty || isIP(address) === 0) return false;
    return this.#networks.check(address, familyOf(address));
  }

  /** No proxy is trusted. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Who logged in at the proxy that a request came through; undefined for nobody, or where nobody says so. */
  userOf(request: AddressedRequest): string | undefined {
    if (this.#userHeader === undefined || !this.trusts(plainAddress(request.socket.remoteAddress)))
      return undefined;
    const field = request.headers[this.#userHeader];
    // Header fields come as bytes in the guise of Latin 1.
    const user = typeof field === 'string' ? Buffer.from(field, 'latin1').toString().trim() : '';
    return user === '' ? undefined : user;
  }

  /**
   * Finds out where a request came from, for `clientAddress`. The field is read from its end, where
   * the nearest proxy wrote: the first address that is no trusted proxy is the client's, for
   * everything before it may be invented.
   */
  note(request: AddressedRequest): void {
    const peer = plainAddress(request.socket.remoteAddress);
    if (!this.trusts(peer)) return;
    const field = request.headers[this.#header];
    const text = typeof field === 'string' ? field : (field?.join(',') ?? '');
    let client = peer;
    for (const entry of text.split(',').toReversed()) {
      const named = plainAddress(bareAddress(entry.trim()));
      if (isIP(named) === 0) break;
      client = named;
      if (!this.trusts(named)) break;
    }
    if (client !== peer) noted.set(request, client);
  }
}

/** Without the port and brackets that some proxies write. */
function bareAddress(text: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
}

/** Adds `ADDRESS` or `ADDRESS/BITS` to a list; false when it is neither. */
export function addNetwork(networks: BlockList, text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  const maxBits = family === 6 ? 128 : 32;
  const prefix = bits === undefined ? maxBits : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || more.length > 0 || !(prefix <= maxBits)) return false;
  networks.addSubnet(address, prefix, familyOf(address));
  return true;
}

/** As `node:net` names it. */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
