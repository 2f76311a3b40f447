import assert from 'node:assert/strict';
import { cli, cliEnvironment, packhorse, type CliOptions, type CliResult } from './cli.ts';
import { startGraphqlServer, type GraphqlServer } from './graphql-server.ts';
import { startProcess, type RunningProcess } from './processes.ts';

/** An administrator at the command line of a server with accounts and repositories in memory. */
export class CliSession implements AsyncDisposable {
  readonly server: GraphqlServer;
  readonly env: Readonly<Record<string, string>>;

  private constructor(server: GraphqlServer, token: string) {
    this.server = server;
    this.env = { PACKHORSE_URL: server.url, PACKHORSE_TOKEN: token };
  }

  static async start(): Promise<CliSession> {
    const server = await startGraphqlServer();
    return new CliSession(server, await server.token('root'));
  }

  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return cli(args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** What a command prints, which must succeed. */
  async text(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async json<Value>(args: readonly string[], options: CliOptions = {}): Promise<Value> {
    return JSON.parse(await this.text([...args, '--json'], options)) as Value;
  }

  /** The one sentence of a command that has to fail with `code`. */
  async refusal(args: readonly string[], code: number, options: CliOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    assert.equal(result.code, code, result.stderr);
    assert.equal(result.stdout, '');
    const [line = '', ...others] = result.stderr.trimEnd().split('\n');
    assert.deepEqual(
      others.filter((other) => !other.startsWith('(add --help')),
      [],
    );
    assert.match(line, /^packhorse: /);
    return line;
  }

  /** Starts a command on a terminal of its own; what it shows is the process's standard output. */
  onTerminal(args: string): RunningProcess {
    return startProcess('script', ['-qec', `${packhorse} ${args}`, '/dev/null'], {
      env: cliEnvironment(this.env),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
