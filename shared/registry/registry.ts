// The registry: which agents a tenant has, and which of them run.
import { queueName, type TenantQueue } from '../bus/queue-names.ts';
import { chance, iso, now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import type { AgentQueues } from '../messaging/agent-queues.ts';
import { limitOf } from '../quota/tiers.ts';
import type { AgentId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';
import { put, remove, replace } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { TenantRecords } from '../tenancy/tenant.ts';
import { type Agent, Agents, type AgentView, AuditedAgent, isRunning, viewOf } from './agent.ts';
import type { ReadCard } from './card/card.ts';

export interface Registration {
  readonly card: ReadCard;
  readonly delivery: 'pull' | 'push';
  readonly endpoint?: string;
  readonly dedicatedQueue: boolean;
  readonly healthCheckUrl?: string;
  readonly ttlSeconds: number;
  readonly metadata: Record<string, unknown>;
}

export interface Registered {
  readonly isNew: boolean;
  readonly view: AgentView;
  readonly queue: { readonly name: string; readonly state: 'ready' | 'creating' };
}

/** What sending and delivering need to know of an agent. */
export interface Reach {
  readonly agentId: AgentId;
  readonly isRunning: boolean;
  readonly delivery: 'pull' | 'push';
  /** Where its messages wait. */
  readonly queue: TenantQueue;
  readonly endpoint?: string;
  /** Takes what is sent to `orchestrator` and is not for the platform itself. */
  readonly isOrchestrator: boolean;
}

/** What is kept of an agent: its card as it came and in its 1.0 form, and its metadata. Lists hold up to 5,000 of them in memory. */
const maxAgentBytes = 256 * 1_024;

/** Each try may cost a policy decision. */
const maxSkillTries = 50;

export type StatusFilter = 'running' | 'expired' | 'all';

interface Services {
  readonly store: TenantStore;
  readonly ledger: Ledger;
  readonly queues: AgentQueues;
  readonly records: TenantRecords;
}

export class Registry {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Registers an agent or renews it, and waits a little for its queue. Over `maxAgents` nothing is written. */
  async register(scope: TenantScope, cause: Cause, agentId: AgentId, registration: Registration): Promise<Registered | Problem> {
    const { ledger, records, queues } = this.#services;
    const tenant = await records.of(scope);
    if (!tenant) return new Problem('not_found');
    const limit = limitOf(tenant.tier, tenant.quotas, 'maxAgents');
    const written = await ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Agents, agentId);
      if (!present && (await partition.count(Agents)) >= limit) {
        return new Problem('quota_exceeded', {
          detail: `The tenant may have ${limit} agents.`,
          extensions: { meter: 'maxAgents', limit },
          headers: { 'Retry-After': '60' },
        });
      }
      const agent = agentOf(agentId, registration, present?.body.registeredAt);
      if (Buffer.byteLength(JSON.stringify(agent)) > maxAgentBytes)
        return new Problem('payload_too_large', { detail: 'The card, its 1.0 form and the metadata may have 256 KB together.' });
      return {
        changes: [put(Agents, agentId, agent)],
        event: {
          action: present ? 'agent.renewed' : 'agent.registered',
          entity: { type: 'agent', id: agentId },
          new: image(AuditedAgent, agent),
        },
        result: { agent, isNew: !present },
      };
    });
    if (written instanceof Problem) return written;
    const { agent, isNew } = written;
    const queue = queueOf(agent);
    const state = typeof queue === 'string' ? ('ready' as const) : await queues.request(scope, agentId);
    return { isNew, view: viewOf(agent), queue: { name: queueName(scope.tenantId, queue), state } };
  }

  /** Ends a registration. Gone already is as good. */
  async unregister(scope: TenantScope, cause: Cause, agentId: AgentId): Promise<void> {
    const { ledger, store } = this.#services;
    if (!(await store.of(scope).read(Agents, agentId))) return;
    await ledger.commit(scope, cause, async (partition) => {
      if (!(await partition.read(Agents, agentId))) return new Problem('agent_not_found');
      return {
        changes: [remove(Agents, agentId)],
        event: { action: 'agent.unregistered', entity: { type: 'agent', id: agentId } },
        result: undefined,
      };
    });
  }

  /** One agent with its version tag, running or not. */
  async find(scope: TenantScope, agentId: AgentId): Promise<{ agent: Agent; etag: string } | undefined> {
    const stored = await this.#services.store.of(scope).read(Agents, agentId);
    return stored && { agent: stored.body, etag: stored.etag };
  }

  /** How an agent is reached; undefined when none has this id. As old as a second. */
  async reach(scope: TenantScope, agentId: AgentId): Promise<Reach | undefined> {
    const found = await this.find(scope, agentId);
    return found && reachOf(found.agent);
  }

  /** The lease runs anew from now, also when it had ended. */
  async heartbeat(
    scope: TenantScope,
    _cause: Cause,
    agentId: AgentId,
    _signs: { readonly load?: number; readonly metrics?: Readonly<Record<string, number>> },
  ): Promise<{ status: 'running'; lease: AgentView['lease'] } | Problem> {
    const partition = this.#services.store.of(scope);
    const stored = await partition.read(Agents, agentId);
    if (!stored) return new Problem('agent_not_found');
    const agent = { ...stored.body, leaseUntil: iso(now() + stored.body.ttlSeconds * 1_000) };
    await partition.commit([replace(Agents, stored, agent)]);
    return { status: 'running', lease: viewOf(agent).lease };
  }

  /** Agents in the order of their ids, from behind `after`, with the total of those that match. */
  async list(
    scope: TenantScope,
    matches: (agent: Agent) => boolean,
    page: { limit: number; after?: string },
  ): Promise<{ items: AgentView[]; next?: string; total: number }> {
    const stored = await this.#services.store.of(scope).list(Agents, { limit: 5_000 });
    const found = stored.map(({ body }) => body).filter(matches);
    const from = page.after === undefined ? 0 : found.findIndex(({ agentId }) => agentId > (page.after ?? ''));
    const items = from < 0 ? [] : found.slice(from, from + page.limit);
    const last = items.at(-1);
    const more = last !== undefined && last !== found.at(-1);
    return { items: items.map(viewOf), total: found.length, ...(more && { next: last.agentId }) };
  }

  /** A running agent that has the skill and passes, any of them with equal chance. So many are tried and no more. */
  async findBySkill(scope: TenantScope, skill: string, passes: (agentId: AgentId) => Promise<boolean>): Promise<Agent | undefined> {
    const stored = await this.#services.store.of(scope).list(Agents, { limit: 5_000 });
    const able = stored.map(({ body }) => body).filter((agent) => isRunning(agent) && agent.skills.includes(skill));
    for (let tries = Math.min(able.length, maxSkillTries); tries > 0; tries--) {
      const [agent] = able.splice(Math.floor(chance() * able.length), 1);
      if (agent && (await passes(agent.agentId))) return agent;
    }
    return undefined;
  }
}

/** Where an agent's messages wait. */
export function queueOf(agent: Agent): TenantQueue {
  return agent.delivery === 'pull' || agent.dedicatedQueue ? { agent: agent.agentId } : 'agents';
}

function reachOf(agent: Agent): Reach {
  return {
    agentId: agent.agentId,
    isRunning: isRunning(agent),
    delivery: agent.delivery,
    queue: queueOf(agent),
    ...(agent.endpoint !== undefined && { endpoint: agent.endpoint }),
    isOrchestrator: agent.metadata['orchestrator'] === true,
  };
}

function agentOf(agentId: AgentId, registration: Registration, registeredAt: string | undefined): Agent {
  const { card, ttlSeconds, endpoint, healthCheckUrl, delivery, dedicatedQueue, metadata } = registration;
  return {
    agentId,
    delivery,
    dedicatedQueue,
    metadata,
    ttlSeconds,
    ...(endpoint !== undefined && { endpoint }),
    ...(healthCheckUrl !== undefined && { healthCheckUrl }),
    cardVersion: card.version,
    original: card.original,
    card: card.card,
    skills: card.card.skills.map(({ id }) => id),
    tags: [...new Set(card.card.skills.flatMap(({ tags }) => tags))],
    leaseUntil: iso(now() + ttlSeconds * 1_000),
    registeredAt: registeredAt ?? iso(),
  };
}
