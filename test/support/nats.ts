import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { startProcess, type RunningProcess } from './processes.ts';
import { removeDirectory, temporaryDirectory } from './temporary.ts';

/** One real nats-server with JetStream. */
export class NatsServer {
  readonly name: string;
  readonly port: number;
  readonly #configuration: string;
  readonly #directory: string;
  #process: RunningProcess | undefined;

  constructor(name: string, port: number, directory: string, routes: Routes | undefined) {
    this.name = name;
    this.port = port;
    this.#directory = directory;
    this.#configuration = join(directory, `${name}.conf`);
    const cluster =
      routes === undefined
        ? []
        : [
            `cluster { name: packhorse, listen: "127.0.0.1:${routes.own}", no_advertise: true,`,
            `  routes: [${routes.all.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')}] }`,
          ];
    const lines = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${port}"`,
      `jetstream { store_dir: "${this.#data}", max_file_store: 100MB, max_memory_store: 10MB }`,
      ...cluster,
    ];
    writeFileSync(this.#configuration, lines.join('\n'));
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get #data(): string {
    return join(this.#directory, this.name);
  }

  async start(): Promise<void> {
    this.#process = startProcess('nats-server', ['-c', this.#configuration], { cwd: this.#directory });
    await this.#process.waitFor(/Server is ready/, { stream: 'stderr' });
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  async kill9(): Promise<void> {
    await this.#process?.kill9();
    this.#process = undefined;
  }

  /** SIGSTOP: it is there and answers nothing. */
  freeze(): void {
    if (this.#process !== undefined) process.kill(this.#process.pid, 'SIGSTOP');
  }

  thaw(): void {
    if (this.#process !== undefined) process.kill(this.#process.pid, 'SIGCONT');
  }

  /** Its disk is empty when it starts the next time. */
  loseData(): void {
    rmSync(this.#data, { recursive: true, force: true });
  }
}

interface Routes {
  readonly own: number;
  readonly all: readonly number[];
}

/** NATS servers on loopback: a lone one, or several as one cluster. */
export class TestNats implements AsyncDisposable {
  readonly servers: readonly NatsServer[];
  readonly #directory: string;

  private constructor(servers: readonly NatsServer[], directory: string) {
    this.servers = servers;
    this.#directory = directory;
  }

  static async start(size: 1 | 3 = 1): Promise<TestNats> {
    const directory = temporaryDirectory('nats');
    const ports: number[] = [];
    while (ports.length < 2 * size) {
      const port = await freePort();
      if (!ports.includes(port)) ports.push(port);
    }
    const routes = ports.slice(size);
    const servers = ports.slice(0, size).map((port, index) => {
      const own = routes[index];
      const isLone = size === 1 || own === undefined;
      return new NatsServer(`nats-${index + 1}`, port, directory, isLone ? undefined : { own, all: routes });
    });
    const nats = new TestNats(servers, directory);
    await Promise.all(servers.map((server) => server.start()));
    return nats;
  }

  /** The first one; the only one where it is alone. */
  get first(): NatsServer {
    const [first] = this.servers;
    if (first === undefined) throw new Error('there is no server');
    return first;
  }

  /** Of all servers, as an operator gives it. */
  get url(): string {
    return this.servers.map(({ url }) => url).join(',');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) server.thaw();
    await Promise.all(this.servers.map((server) => server.stop()));
    removeDirectory(this.#directory);
  }
}
