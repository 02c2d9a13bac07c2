// What is kept of an agent, and how it is shown.
import * as z from 'zod';
import type { TenantQueue } from '../bus/queue-names.ts';
import { now } from '../clock/clock.ts';
import { AgentId } from '../scope/ids.ts';
import type { DocumentKind } from '../storage/documents.ts';
import { cardVersions } from './card/card.ts';
import { CardSignature } from './card/signatures.ts';
import { Health } from './health-chain.ts';
import { type Heartbeat, Signs } from './lease.ts';

const CardBody = z.record(z.string(), z.unknown());

export const Agent = z.strictObject({
  agentId: AgentId,
  delivery: z.enum(['pull', 'push']),
  endpoint: z.url().optional(),
  dedicatedQueue: z.boolean(),
  healthCheckUrl: z.url().optional(),
  metadata: z.record(z.string(), z.unknown()),
  /** As it came, unknown fields and all. */
  cardVersion: z.enum(cardVersions),
  original: CardBody,
  /** The 1.0 form. */
  card: CardBody,
  /** What its signatures were worth when it was registered; absent where it has none. */
  signatures: z.array(CardSignature).optional(),
  skills: z.array(z.string()),
  tags: z.array(z.string()),
  ttlSeconds: z.int(),
  leaseUntil: z.iso.datetime(),
  registeredAt: z.iso.datetime(),
});
export type Agent = z.infer<typeof Agent>;

/** What the trail shows of an agent. */
export const AuditedAgent = Agent.pick({ delivery: true, cardVersion: true, ttlSeconds: true });

export const Agents: DocumentKind<Agent> = { container: 'control', type: 'agent', schema: Agent };

/** An agent runs as long as its lease, whatever it last said of itself (H-09). Its heartbeats must be counted in. */
export function isRunning(agent: Pick<Agent, 'leaseUntil'>): boolean {
  return Date.parse(agent.leaseUntil) > now();
}

/** Where an agent's messages wait. */
export function queueOf({ agentId, delivery, dedicatedQueue }: Pick<Agent, 'agentId' | 'delivery' | 'dedicatedQueue'>): TenantQueue {
  return delivery === 'pull' || dedicatedQueue ? { agent: agentId } : 'agents';
}

export const AgentView = z
  .object({
    agentId: AgentId,
    status: z.enum(['running', 'expired']),
    delivery: z.enum(['pull', 'push']),
    lease: z.object({ ttlSeconds: z.int(), expiresAt: z.iso.datetime() }),
    /** The last one that was written: one in half a lease. */
    heartbeat: z.object({ at: z.iso.datetime(), ...Signs.shape }).optional(),
    metadata: z.record(z.string(), z.unknown()),
    card: CardBody,
    signatures: z.array(CardSignature).optional(),
    health: Health.optional(),
  })
  .meta({ id: 'Agent' });
export type AgentView = z.infer<typeof AgentView>;

/** The agent's lease is the one that holds, its heartbeats counted in. */
export function viewOf(agent: Omit<Agent, 'original'>, heartbeat?: Heartbeat): AgentView {
  const { agentId, delivery, ttlSeconds, leaseUntil, metadata, card, signatures, healthCheckUrl } = agent;
  return {
    agentId,
    status: isRunning(agent) ? 'running' : 'expired',
    delivery,
    lease: { ttlSeconds, expiresAt: leaseUntil },
    ...(heartbeat && { heartbeat: signsOf(heartbeat) }),
    metadata,
    card,
    ...(signatures && { signatures }),
    // What the last check has shown is put in by who shows it.
    ...(healthCheckUrl !== undefined && { health: { status: 'unknown' } }),
  };
}

function signsOf({ at, load, metrics }: Heartbeat): NonNullable<AgentView['heartbeat']> {
  return { at, ...(load !== undefined && { load }), ...(metrics && { metrics }) };
}
