import { randomUUID } from 'node:crypto';
import { onBehalfOf, toPackhorseError, type Clock, type Log, type Settings, type Requester } from '#base';
import type { PublishedFile, Pusher, LocalAgent } from '#git';
import type { Metrics } from '#telemetry';
import {
  advertiseReceivePack,
  advertiseUploadPack,
  serveReceivePack,
  serveUploadArchive,
  serveUploadPack,
  type Conversation,
  type WireOptions,
} from '#wire';
import type { GitRequest, GitSession } from './gateway.ts';

/** What every session on this node shares. */
export interface SessionContext {
  readonly settings: Settings['wire'];
  /** The `agent` capability that clients see. */
  readonly agentName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Connects the protocol to the agent of one repository, for one request, and measures it. */
export class AgentSession implements GitSession {
  readonly #request: GitRequest;
  readonly #agent: LocalAgent;
  readonly #context: SessionContext;
  readonly #leave: () => void;
  readonly #startedMs: number;
  #sessionId: string | undefined;
  #outcome = 'ok';

  constructor(request: GitRequest, agent: LocalAgent, context: SessionContext, leave: () => void) {
    this.#request = request;
    this.#agent = agent;
    this.#context = context;
    this.#leave = leave;
    this.#startedMs = context.clock.nowMs();
    context.metrics.gitSessionsRunning.inc({ service: request.service });
  }

  async advertise(conversation: Conversation): Promise<void> {
    await this.#run(async (options) => {
      const { service } = this.#request;
      const delegated = await this.#agent.delegated();
      if (delegated !== undefined) {
        await delegated.advertise(service, conversation, this.#pusher());
      } else if (service === 'upload-pack') {
        await advertiseUploadPack(await this.#agent.uploadPack(), conversation, options);
      } else if (service === 'receive-pack') {
        await advertiseReceivePack(await this.#agent.receivePack(this.#pusher()), conversation, options);
      }
    });
  }

  async serve(conversation: Conversation): Promise<void> {
    await this.#run(async (options) => {
      const { service } = this.#request;
      const delegated = await this.#agent.delegated();
      if (delegated !== undefined) {
        await delegated.serve(service, conversation, this.#pusher());
      } else if (service === 'upload-pack') {
        await serveUploadPack(await this.#agent.uploadPack(), conversation, options);
      } else if (service === 'upload-archive') {
        await serveUploadArchive(await this.#agent.uploadArchive(), conversation, options);
      } else {
        await serveReceivePack(await this.#agent.receivePack(this.#pusher()), conversation, options);
      }
    });
  }

  async openBundle(id: string): Promise<PublishedFile> {
    try {
      return await this.#agent.openBundle(id);
    } catch (thrown) {
      this.#outcome = toPackhorseError(thrown).code;
      throw thrown;
    }
  }

  async #run(work: (options: WireOptions) => Promise<void>): Promise<void> {
    try {
      const options = this.#wireOptions();
      await onBehalfOf(this.#requester(), () => work(options));
    } catch (thrown) {
      this.#outcome = toPackhorseError(thrown).code;
      throw thrown;
    }
  }

  #wireOptions(): WireOptions {
    const { settings, agentName, clock, log } = this.#context;
    // Hardly anybody asks what the session is called, and advertisement and dialogue have one name.
    const sessionId = (): string => (this.#sessionId ??= randomUUID());
    return {
      settings,
      agent: agentName,
      clock,
      log,
      get sessionId() {
        return sessionId();
      },
    };
  }

  #requester(): Requester {
    const { identity, remoteAddress, remoteUser } = this.#request;
    const user = identity.kind === 'user' ? identity.login : remoteUser;
    return { repository: this.#agent.id, user, address: remoteAddress };
  }

  /** In the words of git http-backend, which programs that read reflogs and hooks know. */
  #pusher(): Pusher {
    const { identity, remoteAddress, remoteUser, transport } = this.#request;
    const door = transport === 'http' ? 'http.' : '';
    if (identity.kind === 'user') {
      const environment = { REMOTE_USER: identity.login, REMOTE_ADDR: remoteAddress };
      return { name: identity.login, email: identity.email, environment };
    }
    const name = remoteUser ?? 'anonymous';
    const known = remoteUser === undefined ? {} : { REMOTE_USER: remoteUser };
    const environment = { ...known, REMOTE_ADDR: remoteAddress };
    return { name, email: `${name}@${door}${remoteAddress}`, environment };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { service, transport } = this.#request;
    const { clock, metrics } = this.#context;
    this.#leave();
    metrics.gitSessionsRunning.dec({ service });
    metrics.gitSessions.inc({ service, transport, outcome: this.#outcome });
    metrics.gitSessionSeconds.observe({ service, transport }, (clock.nowMs() - this.#startedMs) / 1000);
  }
}
