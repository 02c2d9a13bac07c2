// The queues of agents: asked for by registration, let go with it, and the tokens an agent listens with. `queue-keeper.ts` makes and removes them.
import type { Bus } from '../bus/bus.ts';
import { listenRule } from '../bus/bus-administration.ts';
import { listenToken } from '../bus/listen-token.ts';
import { queueName, readQueueName, type TenantQueue } from '../bus/queue-names.ts';
import { iso, newId, now, wait } from '../clock/clock.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import { AgentId } from '../scope/ids.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';
import type { Vault } from '../vault/vault.ts';
import { isReady, listenSecret, type QueueRecord, QueueRecords } from './queue-record.ts';

const fixed = ['agents', 'orchestrator', 'dlq'] as const;

/** Registration waits this long for its queue, then answers that it is being made. */
const patienceMs = 4_000;
const lookEveryMs = 60;
/** A listen token lives no longer than this (architecture 6). */
const tokenMs = 5 * 60_000;

export interface ListenToken {
  readonly endpoint: string;
  readonly queue: string;
  readonly token: string;
  readonly expiresAt: string;
}

interface Services {
  readonly store: TenantStore;
  readonly vault: Vault;
  readonly bus: Bus;
  readonly platform: PlatformScope;
  /** How long after its agent a queue is closed, and after that removed. */
  readonly graceMs: number;
}

/** The agent of the tenant whose own queue has this name; undefined for every other name. */
export function agentOfQueue(scope: TenantScope, name: string): AgentId | undefined {
  const named = readQueueName(name);
  return named?.tenantId === scope.tenantId && typeof named.queue === 'object' ? named.queue.agent : undefined;
}

export class AgentQueues {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Sees to it that the agent has its queue; `creating` when that takes longer than a few seconds, or when a dependency is away: the caller's
   * registration stands, and asking for a listen token asks for the queue again. Safe to repeat.
   */
  async request(scope: TenantScope, agentId: AgentId, isListenedAt: boolean): Promise<'ready' | 'creating'> {
    try {
      return (await this.#ready(scope, agentId, isListenedAt)) ? 'ready' : await this.#make(scope, agentId, isListenedAt);
    } catch (error) {
      if (error instanceof DependencyError) return 'creating';
      throw error;
    }
  }

  /**
   * Has the agent's queue looked at some time after its registration has ended: call it before, so that nothing is forgotten. While Service Bus is away the
   * registration ends all the same, and its queue stays until the agent comes and goes once more.
   */
  async letGo(scope: TenantScope, agentId: AgentId): Promise<void> {
    try {
      if (await this.#services.store.of(scope).read(QueueRecords, agentId)) await this.look(scope, agentId, now() + this.#services.graceMs);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('the queue of an agent that goes stays', scope.tenantId, { agentId });
    }
  }

  /** Has the queue brought to what its agent's registration says, at an instant or at once. */
  async look(scope: TenantScope, agentId: AgentId, at?: number): Promise<void> {
    const { bus, platform } = this.#services;
    await bus.sendToPlatform(platform, 'platform-provision', {
      messageId: newId(),
      body: { kind: 'agent-queue', tenantId: scope.tenantId, agentId },
      ...(at !== undefined && { scheduledAt: at }),
    });
  }

  /** Every queue of the tenant there is: the fixed ones, and those of agents. `closing` ones are not to be sent to, whatever the tenant's status. */
  async all(scope: TenantScope): Promise<{ queue: TenantQueue; closing: boolean }[]> {
    const found: { queue: TenantQueue; closing: boolean }[] = fixed.map((queue) => ({ queue, closing: false }));
    for await (const page of this.#services.store.of(scope).scan(QueueRecords))
      found.push(...page.map(({ name, body }) => ({ queue: { agent: AgentId.parse(name) }, closing: body.closedAt !== undefined })));
    return found;
  }

  async #make(scope: TenantScope, agentId: AgentId, isListenedAt: boolean): Promise<'ready' | 'creating'> {
    await this.look(scope, agentId);
    for (const end = now() + patienceMs; now() < end; ) {
      await wait(lookEveryMs);
      if (await this.#ready(scope, agentId, isListenedAt)) return 'ready';
    }
    return 'creating';
  }

  async #ready(scope: TenantScope, agentId: AgentId, isListenedAt: boolean): Promise<QueueRecord | undefined> {
    const record = (await this.#services.store.of(scope).read(QueueRecords, agentId))?.body;
    return record && isReady(record, isListenedAt) ? record : undefined;
  }

  /** A token to listen at the agent's own queue, and at no other. */
  async listenToken(scope: TenantScope, agentId: AgentId): Promise<ListenToken | Problem> {
    const { vault, bus } = this.#services;
    if ((await this.request(scope, agentId, true)) === 'creating')
      return new Problem('queue_not_ready', { headers: { 'Retry-After': '1' } });
    const key = await vault.readSecret(scope, 'msg', listenSecret(agentId), (await this.#ready(scope, agentId, true))?.listenKey);
    if (key === undefined) throw new Error('the queue is ready and its rule has no key');
    const queue = queueName(scope.tenantId, { agent: agentId });
    const expiresAt = Math.floor((now() + tokenMs) / 1_000) * 1_000;
    const endpoint = await bus.endpoint(scope);
    const token = listenToken(endpoint, queue, { name: listenRule, key }, expiresAt);
    return { endpoint, queue, token, expiresAt: iso(expiresAt) };
  }
}
