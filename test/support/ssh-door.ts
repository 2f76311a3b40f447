import type { Identity, PublicKey } from '#accounts';
import { readSettings, silentLog, type Log, type LogFields, type Settings } from '#base';
import { createSshServer, loadOrCreateHostKeys } from '#ssh';
import { Metrics } from '#telemetry';
import { FakeGitGateway } from './fake-git-gateway.ts';
import { ada } from './http-door.ts';
import { run, type RunOptions, type RunResult } from './processes.ts';
import { KnownHosts, newSshKey, type SshKey } from './ssh.ts';
import { temporaryDirectory } from './temporary.ts';

/** The SSH door over a gateway without repositories. `key` is ada's. */
export class SshDoor implements AsyncDisposable {
  readonly git = new FakeGitGateway();
  readonly metrics = new Metrics();
  readonly logged: (LogFields & { readonly message: string })[] = [];
  readonly key: SshKey;
  /** Keys that the door was asked about. */
  readonly asked: PublicKey[] = [];
  readonly #keys: Map<string, Identity>;
  readonly #server: ReturnType<typeof createSshServer>;
  port = 0;
  #knownHosts: KnownHosts | undefined;

  private constructor(
    key: SshKey,
    hostKeys: Awaited<ReturnType<typeof loadOrCreateHostKeys>>,
    settings: Partial<Settings['ssh']>,
  ) {
    this.key = key;
    this.#keys = new Map([[blobOf(key), ada]]);
    const note = (message: string, fields?: LogFields): void => {
      this.logged.push({ ...fields, message });
    };
    const log: Log = { ...silentLog, info: note, error: note, child: () => log };
    this.#server = createSshServer({
      git: this.git,
      authenticateKey: async (asked) => {
        this.asked.push(asked);
        return this.#keys.get(Buffer.from(asked.blob).toString('base64'));
      },
      hostKeys,
      settings: { ...readSettings().ssh, ...settings },
      log,
      metrics: this.metrics,
    });
  }

  static async open(settings: Partial<Settings['ssh']> = {}): Promise<SshDoor> {
    const hostKeys = await loadOrCreateHostKeys(temporaryDirectory('host-keys'));
    const door = new SshDoor(await newSshKey(), hostKeys, settings);
    door.port = await door.#server.listen('127.0.0.1', 0);
    return door;
  }

  allow(key: SshKey, identity: Identity = ada): void {
    this.#keys.set(blobOf(key), identity);
  }

  async arguments(key: SshKey | undefined = this.key): Promise<string[]> {
    this.#knownHosts ??= await KnownHosts.scan('127.0.0.1', this.port);
    return [...this.#knownHosts.sshArguments(key), '-p', String(this.port), 'git@127.0.0.1'];
  }

  /** The real OpenSSH client. */
  async ssh(
    command: readonly string[],
    options: RunOptions & { readonly key?: SshKey; readonly flags?: readonly string[] } = {},
  ): Promise<RunResult & { readonly text: string }> {
    const { key, flags = [], ...runOptions } = options;
    const args = [...flags, ...(await this.arguments(key)), ...command];
    const result = await run('ssh', args, { timeoutMs: 30_000, ...runOptions });
    return { ...result, text: result.stdout.toString() };
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#server.drain(timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.drain(0);
  }
}

function blobOf(key: SshKey): string {
  return key.publicKey.split(' ')[1] ?? '';
}
