import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';
import { PackhorseError, randomId } from '#base';
import { fingerprintOf } from './fingerprint.ts';

/** A private key by which clients recognise this server. */
export interface HostKey {
  readonly key: ParsedKey;
  /** `SHA256:...`, as a client shows it at its first visit. */
  readonly fingerprint: string;
}

const kinds = [
  { file: 'ssh_host_ed25519_key', generate: () => ssh2.utils.generateKeyPairSync('ed25519') },
  { file: 'ssh_host_ecdsa_key', generate: () => ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }) },
] as const;

/**
 * The host keys in `directory`, one file each in OpenSSH's format and with mode 0600; those that
 * are missing are made. Throws `failed_precondition` when a file is no key, or when others than its
 * owner may read it.
 */
export async function loadOrCreateHostKeys(directory: string): Promise<readonly HostKey[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return Promise.all(kinds.map(({ file, generate }) => loadOrCreate(directory, file, generate)));
}

async function loadOrCreate(
  directory: string,
  file: string,
  generate: () => { readonly private: string },
): Promise<HostKey> {
  const path = join(directory, file);
  const text = (await readPrivate(path)) ?? (await create(directory, path, generateUsable(generate)));
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || !key.isPrivateKey()) {
    throw new PackhorseError('failed_precondition', 'A host key file holds no usable private key.', {
      metadata: { path },
      cause: key,
    });
  }
  return { key, fingerprint: fingerprintOf(key.getPublicSSH()) };
}

/** The library leaves out a leading zero byte of what it generates: one key in a hundred is no key. */
const maxGenerations = 100;

/** A generated private key that signs and verifies, as text. Throws `internal` when none comes out. */
export function generateUsable(generate: () => { readonly private: string }): string {
  for (let generation = 0; generation < maxGenerations; generation += 1) {
    const text = generate().private;
    if (isUsable(text)) return text;
  }
  throw new PackhorseError('internal', 'No host key could be generated.');
}

function isUsable(text: string): boolean {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || !key.isPrivateKey()) return false;
  const probe = Buffer.from('packhorse');
  const signature = key.sign(probe);
  return Buffer.isBuffer(signature) && key.verify(probe, signature);
}

/** undefined when there is no such file. */
async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new PackhorseError(
        'failed_precondition',
        'A host key can be read by others than its owner. Give it mode 0600, or remove it to have a new one made.',
        { metadata: { path } },
      );
    }
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Writes a key in one step and durably, and never over one that is there: clients may know that one already. */
async function create(directory: string, path: string, text: string): Promise<string> {
  const temporary = join(directory, `.${randomId()}`);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  const entry = await open(directory, 'r');
  try {
    await entry.sync();
  } finally {
    await entry.close();
  }
  return text;
}
