import { collect, PackhorseError } from '#base';
import type { GitGateway, GitRequest, GitSession } from '#gateway';
import type { Conversation } from '#wire';

type Work = (conversation: Conversation, request: GitRequest) => Promise<void>;

const decoder = new TextDecoder();

/** Answers with everything it was sent. */
export const echo: Work = async ({ input, output }) => {
  await output.write(Buffer.from('echo:'));
  for await (const chunk of input) await output.write(chunk);
};

/** Answers with how much it was sent, and keeps none of it. */
export const count: Work = async ({ input, output }) => {
  let sizeBytes = 0;
  for await (const chunk of input) sizeBytes += chunk.length;
  await output.write(Buffer.from(`received ${sizeBytes}`));
};

/**
 * A gateway without repositories, for tests of doors: what a path answers is in its last segment.
 * `missing.git` is not found, `hidden.git` wants a login, `readonly.git` may only be read by those
 * who are logged in, `busy.git` is unavailable and `broken.git` fails; all others answer.
 */
export class FakeGitGateway implements GitGateway {
  readonly requests: GitRequest[] = [];
  /** Conversations that were started, in order. */
  readonly conversations: Conversation[] = [];
  openSessions = 0;
  advertise: Work = async ({ output, version }) => output.write(Buffer.from(`refs of version ${version}`));
  serve: Work = echo;

  async open(request: GitRequest): Promise<GitSession> {
    this.requests.push(request);
    this.#authorise(request);
    this.openSessions += 1;
    const run = (work: Work) => async (conversation: Conversation) => {
      this.conversations.push(conversation);
      await work(conversation, request);
    };
    return {
      advertise: run((...args) => this.advertise(...args)),
      serve: run((...args) => this.serve(...args)),
      openBundle: () => Promise.reject(new PackhorseError('not_found', 'There are no bundles here.')),
      [Symbol.asyncDispose]: async () => {
        this.openSessions -= 1;
      },
    };
  }

  #authorise({ path, identity, service }: GitRequest): void {
    const name = path
      .split('/')
      .at(-1)
      ?.replace(/\.git$/, '');
    if (name === 'missing') throw new PackhorseError('not_found', 'There is no repository here.');
    if (name === 'busy') throw new PackhorseError('unavailable', 'The server is busy.');
    if (name === 'broken') throw new TypeError('a secret detail');
    const needsLogin = name === 'hidden' || (name === 'readonly' && service === 'receive-pack');
    if (needsLogin && identity.kind === 'anonymous') {
      throw new PackhorseError('unauthenticated', 'Please log in.');
    }
    if (name === 'readonly' && service === 'receive-pack') {
      throw new PackhorseError('permission_denied', 'You may not push to this repository.');
    }
  }
}

/** The whole stream as text. */
export async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return decoder.decode(await collect(stream, 64 * 1024 * 1024));
}
