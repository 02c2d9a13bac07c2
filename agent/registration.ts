// The agent's place in the registry: taken, kept by heartbeats at a third of its lease, taken again when it was lost, given up at the end.
import { type ControlPlane, ControlPlaneError } from './control-plane.ts';
import type { AgentEnvironment } from './environment.ts';
import type { KeyRing, SigningAnswer } from './key-ring.ts';

/** What is registered (api.md, Registry). */
export interface RegistrationOrder {
  readonly card: Record<string, unknown>;
  readonly ttlSeconds?: number;
  readonly metadata?: Record<string, unknown>;
}

interface Registered {
  readonly lease: { readonly ttlSeconds: number };
  readonly queue: { readonly name: string };
  readonly signing: SigningAnswer;
}

interface Heard {
  readonly signing?: { readonly keyIds: readonly string[] };
}

/** An agent that ends has little time. */
const tagTimeoutMs = 5_000;

export class Registration {
  readonly #environment: AgentEnvironment;
  readonly #controlPlane: ControlPlane;
  readonly #keys: KeyRing;
  readonly #order: RegistrationOrder;
  readonly #onProblem: (error: unknown) => void;
  #ttlSeconds = 60;
  #renewing: Promise<void> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #ended = false;
  /** Tells this process's registration from one by another replica. */
  #tag: string | undefined;

  constructor(
    environment: AgentEnvironment,
    controlPlane: ControlPlane,
    keys: KeyRing,
    order: RegistrationOrder,
    onProblem: (error: unknown) => void,
  ) {
    this.#environment = environment;
    this.#controlPlane = controlPlane;
    this.#keys = keys;
    this.#order = order;
    this.#onProblem = onProblem;
  }

  /** Registers, and learns the keys in force. Whoever asks meanwhile gets the same one. */
  renew(): Promise<void> {
    this.#renewing ??= this.#register().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** From now on FlowGrid hears of the agent, until `end`. */
  keep(): void {
    if (this.#ended) return;
    // Never in step with others that were started at the same time.
    const pauseMs = (this.#ttlSeconds * 1_000 * (0.9 + Math.random() / 10)) / 3;
    this.#heartbeat = setTimeout(() => {
      this.#beat()
        .catch(this.#onProblem)
        .finally(() => this.keep());
    }, pauseMs);
  }

  /**
   * Unregisters, unless another replica of the agent has registered since: the registration is that one's now. A replica that registered before
   * notices at its next heartbeat that the agent is gone, and registers again.
   */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#heartbeat);
    await this.#renewing?.catch(() => undefined);
    if (this.#tag !== undefined) {
      const tag = await this.#readTag().catch(() => undefined);
      if (tag !== undefined && tag !== this.#tag) return;
    }
    await this.#controlPlane.call('DELETE', this.#path('unregister'));
  }

  async #beat(): Promise<void> {
    try {
      const { signing } = await this.#controlPlane.ask<Heard>('POST', this.#path('heartbeat'), {});
      if (signing?.keyIds.some((keyId) => !this.#keys.knows(keyId))) await this.#renewUnlessEnded();
    } catch (error) {
      if (!(error instanceof ControlPlaneError && error.status === 404)) throw error;
      await this.#renewUnlessEnded();
    }
  }

  async #renewUnlessEnded(): Promise<void> {
    if (!this.#ended) await this.renew();
  }

  async #register(): Promise<void> {
    const { card, ttlSeconds, metadata } = this.#order;
    const body = { card, ...(ttlSeconds !== undefined && { ttlSeconds }), ...(metadata && { metadata }) };
    const { lease, queue, signing } = await this.#controlPlane.ask<Registered>('POST', this.#path('register'), body);
    if (queue.name !== this.#environment.queue)
      throw new ControlPlaneError(409, 'agent_mismatch', 'the registry gave the agent another queue than its environment');
    this.#ttlSeconds = lease.ttlSeconds;
    this.#keys.learn(signing);
    // Without it the agent is unregistered whoever registered last.
    this.#tag = await this.#readTag().catch(() => undefined);
  }

  /** The entity tag of the agent's card: another one with each registration, and not with a heartbeat. */
  async #readTag(): Promise<string | undefined> {
    const path = `/api/registry/agents/${this.#environment.agentId}`;
    const response = await this.#controlPlane.call('GET', path, undefined, { repeats: false, timeoutMs: tagTimeoutMs });
    await response.body?.cancel();
    return response.headers.get('etag') ?? undefined;
  }

  #path(verb: string): string {
    return `/api/registry/agents/${this.#environment.agentId}/${verb}`;
  }
}
