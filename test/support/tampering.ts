import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { collect } from '#base';
import { tamper, type Tampering } from './tamper-stream.ts';
import { temporaryDirectory } from './temporary.ts';

/**
 * Ways to let the real git client send something that it would never send: its bytes are changed
 * on their way to the server, and it shows its user what the server says about that.
 */

const maxBodyBytes = 256 * 1024 * 1024;

/** The answer names refs as the client knows them. */
function undone({ rename }: Tampering): Tampering {
  return rename === undefined ? {} : { rename: [rename[1], rename[0]] };
}

/** An HTTP proxy that changes what is pushed through it. */
export class TamperingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: string, tampering: Tampering): Promise<TamperingProxy> {
    const server = createServer((request, response) => {
      forward(target, tampering, request, response).catch((error: unknown) =>
        response.destroy(error as Error),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TamperingProxy(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function forward(
  target: string,
  tampering: Tampering,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = tamper(await collect(request, maxBodyBytes), tampering);
  const headers = Object.entries(request.headers).filter(
    ([name]) => !['host', 'connection', 'content-length', 'transfer-encoding', 'expect'].includes(name),
  );
  const answer = await fetch(`${target}${request.url}`, {
    method: request.method ?? 'GET',
    headers: headers.map(([name, value]): [string, string] => [name, String(value)]),
    ...(request.method === 'POST' ? { body: new Uint8Array(body) } : {}),
  });
  const type = answer.headers.get('content-type');
  const challenge = answer.headers.get('www-authenticate');
  response.writeHead(answer.status, {
    ...(type === null ? {} : { 'content-type': type }),
    ...(challenge === null ? {} : { 'www-authenticate': challenge }),
  });
  response.end(tamper(Buffer.from(await answer.arrayBuffer()), undone(tampering)));
}

/** A program to use in place of `ssh` that changes what is pushed through it. `command` is the real client with its options. */
export function tamperingSsh(command: string, tampering: Tampering): string {
  const path = join(temporaryDirectory('tampering-ssh'), 'ssh');
  const filter = join(import.meta.dirname, 'tamper-stream.ts');
  const script = `#!/bin/bash
'${process.execPath}' '${filter}' '${JSON.stringify(tampering)}' |
  ${command} "$@" |
  '${process.execPath}' '${filter}' '${JSON.stringify(undone(tampering))}'
exit "\${PIPESTATUS[1]}"
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}
