// The SDK an agent runs: it registers, listens at its own queue, finds its peers, sends, calls tools, and leaves in order.
import type { Envelope } from '../shared/messaging/envelope.ts';
import { ControlPlane, ControlPlaneError } from './control-plane.ts';
import { type AgentEnvironment, readEnvironment } from './environment.ts';
import { Inbox } from './inbox.ts';

export { ControlPlaneError } from './control-plane.ts';
export { EnvironmentError } from './environment.ts';
export type { Envelope };

/** What handles messages of one type. Throwing brings the message back, until the queue's maximum delivery count. */
export type Handler = (envelope: Envelope, agent: Agent) => Promise<void> | void;

export interface AgentOptions {
  /** An A2A card, 0.2, 0.3 or 1.0. */
  readonly card: Record<string, unknown>;
  /** How long FlowGrid believes the agent to run without hearing of it, in seconds, 10–3600. */
  readonly ttlSeconds?: number;
  readonly metadata?: Record<string, unknown>;
  /** Told of what goes wrong between messages. Standard error unless given. */
  readonly onProblem?: (problem: string) => void;
}

export interface Peer {
  readonly agentId: string;
  readonly status: string;
  readonly card: Record<string, unknown>;
}

export interface Outgoing {
  readonly to: string | { readonly skill: string };
  readonly messageType: string;
  readonly payload: Envelope['payload'];
  readonly correlationId?: string;
  readonly causationId?: string;
}

export class Agent {
  readonly environment: AgentEnvironment;
  readonly #options: AgentOptions;
  readonly #controlPlane: ControlPlane;
  readonly #handlers = new Map<string, Handler>();
  readonly #inbox: Inbox;
  readonly #onProblem: (problem: string) => void;
  #renewal: NodeJS.Timeout | undefined;

  /** Reads the environment of this process. Throws an EnvironmentError that lists what is wrong with it. */
  constructor(options: AgentOptions, environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.environment = readEnvironment(environment);
    this.#options = options;
    this.#controlPlane = new ControlPlane(this.environment);
    this.#onProblem = options.onProblem ?? ((problem) => process.stderr.write(`${problem}\n`));
    this.#inbox = new Inbox(this.environment, this.#controlPlane, (envelope) => this.#handle(envelope), this.#onProblem);
  }

  on(messageType: string, handler: Handler): this {
    this.#handlers.set(messageType, handler);
    return this;
  }

  /** Registers and listens. Resolves once messages arrive. */
  async start(): Promise<void> {
    await this.#register();
    await this.#inbox.open();
    const ttl = this.#options.ttlSeconds ?? 60;
    this.#renewal = setInterval(() => {
      this.#register().catch((error: unknown) => this.#onProblem(String(error)));
    }, ttl * 500);
  }

  /** Takes no more messages, finishes those it has, unregisters and closes. */
  async stop(): Promise<void> {
    clearInterval(this.#renewal);
    await this.#inbox.close();
    await this.#controlPlane.call('DELETE', `/api/registry/agents/${this.environment.agentId}/unregister`);
  }

  /** A running peer with the skill; undefined when there is none. */
  async findAgentBySkill(skill: string): Promise<Peer | undefined> {
    const { items } = await this.#controlPlane.ask<{ items: Peer[] }>(
      'GET',
      `/api/registry/agents/search?limit=1&skill=${encodeURIComponent(skill)}`,
    );
    return items[0];
  }

  /** Sends a message and answers its id. Throws a ControlPlaneError, `agent_not_found` among others. */
  async send(message: Outgoing): Promise<string> {
    const { messageId } = await this.#controlPlane.ask<{ messageId: string }>('POST', '/api/messages', message);
    return messageId;
  }

  /** Calls a tool with the tenant's credential and answers what the provider said. */
  async invokeTool<Answer>(toolId: string, parameters: Record<string, unknown>): Promise<Answer> {
    return this.#controlPlane.ask<Answer>('POST', '/api/v1/tools/invoke', { toolId, parameters });
  }

  async #register(): Promise<void> {
    const { card, ttlSeconds, metadata } = this.#options;
    const body = { card, ...(ttlSeconds !== undefined && { ttlSeconds }), ...(metadata && { metadata }) };
    const { queue } = await this.#controlPlane.ask<{ queue: { name: string } }>(
      'POST',
      `/api/registry/agents/${this.environment.agentId}/register`,
      body,
    );
    if (queue.name !== this.environment.queue)
      throw new ControlPlaneError(409, 'agent_mismatch', 'the registry gave the agent another queue than its environment');
  }

  async #handle(envelope: Envelope): Promise<void> {
    const handler = this.#handlers.get(envelope.messageType);
    if (!handler) throw new Error(`no handler for ${envelope.messageType}`);
    await handler(envelope, this);
  }
}
