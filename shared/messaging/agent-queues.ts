// The queues of agents: asked for by registration, made on `platform-provision`, and the tokens an agent listens with.
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
import { type BusAdministration, listenRule } from '../bus/bus-administration.ts';
import { listenToken } from '../bus/listen-token.ts';
import { queueName, readQueueName, type TenantQueue } from '../bus/queue-names.ts';
import { iso, newId, now, wait } from '../clock/clock.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import { AgentId } from '../scope/ids.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Vault } from '../vault/vault.ts';

/** There once the queue can be sent to and listened at. */
const ReadyQueues: DocumentKind<{ readyAt: string }> = {
  container: 'control',
  type: 'queue',
  schema: z.strictObject({ readyAt: z.iso.datetime() }),
};

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
  readonly busAdministration: BusAdministration;
  readonly platform: PlatformScope;
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
  async request(scope: TenantScope, agentId: AgentId): Promise<'ready' | 'creating'> {
    try {
      return (await this.#isReady(scope, agentId)) ? 'ready' : await this.#make(scope, agentId);
    } catch (error) {
      if (error instanceof DependencyError) return 'creating';
      throw error;
    }
  }

  /** Every queue of the tenant there is: the fixed ones, and those of agents that were ready once. */
  async all(scope: TenantScope): Promise<TenantQueue[]> {
    const found: TenantQueue[] = ['agents', 'orchestrator', 'dlq'];
    for await (const page of this.#services.store.of(scope).scan(ReadyQueues))
      found.push(...page.map(({ name }) => ({ agent: AgentId.parse(name) })));
    return found;
  }

  async #make(scope: TenantScope, agentId: AgentId): Promise<'ready' | 'creating'> {
    const { bus, platform } = this.#services;
    await bus.sendToPlatform(platform, 'platform-provision', {
      messageId: newId(),
      body: { kind: 'agent-queue', tenantId: scope.tenantId, agentId },
    });
    for (const end = now() + patienceMs; now() < end; ) {
      await wait(lookEveryMs);
      if (await this.#isReady(scope, agentId)) return 'ready';
    }
    return 'creating';
  }

  async #isReady(scope: TenantScope, agentId: AgentId): Promise<boolean> {
    return (await this.#services.store.of(scope).read(ReadyQueues, agentId)) !== undefined;
  }

  /** Makes the queue and its listen rule. Runs where the identity may (architecture 6). Safe to repeat. */
  async provision(scope: TenantScope, agentId: AgentId): Promise<void> {
    const { store, vault, busAdministration } = this.#services;
    const key = await busAdministration.ensureAgentQueue(scope, { agent: agentId });
    if ((await vault.readSecret(scope, 'msg', listenSecret(agentId))) !== key)
      await vault.writeSecret(scope, 'msg', listenSecret(agentId), key);
    // Whoever comes second finds it there, which is as good.
    await store.of(scope).commit([create(ReadyQueues, agentId, { readyAt: iso() })]);
  }

  /** A token to listen at the agent's own queue, and at no other. */
  async listenToken(scope: TenantScope, agentId: AgentId): Promise<ListenToken | Problem> {
    const { vault, bus } = this.#services;
    if ((await this.request(scope, agentId)) === 'creating') return new Problem('queue_not_ready', { headers: { 'Retry-After': '1' } });
    const key = await vault.readSecret(scope, 'msg', listenSecret(agentId));
    if (key === undefined) throw new Error('the queue is ready and its rule has no key');
    const queue = queueName(scope.tenantId, { agent: agentId });
    const expiresAt = Math.floor((now() + tokenMs) / 1_000) * 1_000;
    const endpoint = await bus.endpoint(scope);
    const token = listenToken(endpoint, queue, { name: listenRule, key }, expiresAt);
    return { endpoint, queue, token, expiresAt: iso(expiresAt) };
  }
}

/** Agent ids hold no `--`, so this is no other secret's name. */
function listenSecret(agentId: AgentId): string {
  return `listen--${agentId}`;
}
