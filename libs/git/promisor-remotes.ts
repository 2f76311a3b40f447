import { asBool, type ConfigValues } from './repository-config.ts';

/**
 * The remotes that promised the objects which a partial clone lacks (gitrepository-layout;
 * git-config(1), `remote.<name>.promisor`), in git's order: that of `extensions.partialClone` last.
 */
export function promisorRemotes(config: ConfigValues): readonly string[] {
  const names = new Set<string>();
  for (const [key, value] of config.entries) {
    const match = /^remote\.(.+)\.(promisor|partialclonefilter)$/s.exec(key);
    const name = match?.[1];
    if (name === undefined || name.startsWith('/')) continue;
    if (match?.[2] === 'partialclonefilter' ? value !== undefined : asBool(value ?? 'true') === true)
      names.add(name);
  }
  const main = config.last('extensions.partialClone');
  if (main !== undefined) {
    names.delete(main);
    names.add(main);
  }
  return [...names];
}

/** What `promisor.sendFields` may name, as it is spelt in the protocol. */
const knownFields: ReadonlyMap<string, string> = new Map([
  ['partialclonefilter', 'partialCloneFilter'],
  ['token', 'token'],
]);

/**
 * The value of the capability `promisor-remote` (gitprotocol-v2), where `promisor.advertise` asks
 * for it and some remote has a URL.
 */
export function promisorAdvertisement(config: ConfigValues, names: readonly string[]): string | undefined {
  if (!config.bool('promisor.advertise', false)) return undefined;
  const sent = config.last('promisor.sendFields') ?? '';
  const fields = new Set(sent.split(',').map((field) => field.trim().toLowerCase()));
  const remotes = names.flatMap((name) => {
    const url = config.last(`remote.${name}.url`) ?? '';
    if (url === '') return [];
    const parts = [`name=${encoded(name)}`, `url=${encoded(url)}`];
    for (const [key, spelling] of knownFields) {
      const value = fields.has(key) ? (config.last(`remote.${name}.${key}`) ?? '') : '';
      if (value !== '') parts.push(`${spelling}=${encoded(value)}`);
    }
    return [parts.join(',')];
  });
  return remotes.length === 0 ? undefined : remotes.join(';');
}

/** Percent-encodes, by bytes, what is not printable ASCII or separates fields. */
function encoded(text: string): string {
  return Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte);
    const isPlain = byte > 32 && byte < 127 && !',;%'.includes(character);
    return isPlain ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}
