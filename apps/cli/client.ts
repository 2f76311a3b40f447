import { unreachable, type Connection } from './connection.ts';
import { CliError } from './errors.ts';

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: { readonly code?: string };
  }[];
}

const timeoutMs = 120_000;

/** A page of a list, as every list of the API has it. */
export interface Page<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
}

/** Asks the GraphQL API of one server. */
export class Client {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** The data of an answer without errors. Throws a CliError with the server's code and sentence. */
  async ask<Data>(document: string, variables: object = {}): Promise<Data> {
    const response = await this.#post(JSON.stringify({ query: document, variables }));
    const { data, errors } = await this.#read<Data>(response);
    const [error] = errors ?? [];
    if (error !== undefined) throw this.#failure(error.extensions?.code ?? 'internal', error.message);
    if (data === undefined || data === null) throw this.#strange(response.status);
    return data;
  }

  /** Every item of a list; `document` takes `$after`. */
  async all<Node>(
    document: string,
    pageOf: (data: Record<string, Page<Node>>) => Page<Node> | undefined,
    variables: object = {},
  ): Promise<readonly Node[]> {
    const nodes: Node[] = [];
    let after: string | null = null;
    for (;;) {
      const page = pageOf(await this.ask(document, { ...variables, after }));
      nodes.push(...(page?.nodes ?? []));
      if (page === undefined || !page.pageInfo.hasNextPage) return nodes;
      after = page.pageInfo.endCursor;
    }
  }

  async #post(body: string): Promise<Response> {
    const { url, token } = this.connection;
    // Relative to the URL's own path, so that a server can live below a prefix.
    const endpoint = new URL('graphql', url.href.endsWith('/') ? url : `${url.href}/`);
    try {
      return await fetch(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'TimeoutError') {
        throw new CliError(
          'deadline_exceeded',
          `${url.host} did not answer within ${timeoutMs / 1000} s.`,
          cause,
        );
      }
      throw unreachable(this.connection, cause);
    }
  }

  async #read<Data>(response: Response): Promise<Answer<Data>> {
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      throw new CliError(
        'failed_precondition',
        `${this.connection.url.host} redirects to ${location}: set PACKHORSE_URL to where the server really is.`,
      );
    }
    try {
      return (await response.json()) as Answer<Data>;
    } catch {
      throw this.#strange(response.status);
    }
  }

  #strange(status: number): CliError {
    return new CliError(
      'failed_precondition',
      `What answers at ${this.connection.url.host} is not a Packhorse server (HTTP status ${status}). Check ${this.connection.origin}.`,
    );
  }

  #failure(code: string, message: string): CliError {
    if (code !== 'unauthenticated') return new CliError(code, message);
    const { token, origin, isLocal } = this.connection;
    const hint =
      token === undefined
        ? 'Set PACKHORSE_TOKEN.'
        : isLocal
          ? `Check PACKHORSE_TOKEN, or that ${origin} is of the server that runs now.`
          : 'Check PACKHORSE_TOKEN.';
    return new CliError(code, `${message} ${hint}`);
  }
}
