// What is kept of an agent, and how it is shown.
import * as z from 'zod';
import { now } from '../clock/clock.ts';
import { AgentId } from '../scope/ids.ts';
import type { DocumentKind } from '../storage/documents.ts';
import { cardVersions } from './card/card.ts';

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

/** An agent runs as long as its lease, whatever it last said of itself (H-09). */
export function isRunning(agent: Agent): boolean {
  return Date.parse(agent.leaseUntil) > now();
}

export const AgentView = z
  .object({
    agentId: AgentId,
    status: z.enum(['running', 'expired']),
    delivery: z.enum(['pull', 'push']),
    lease: z.object({ ttlSeconds: z.int(), expiresAt: z.iso.datetime() }),
    metadata: z.record(z.string(), z.unknown()),
    card: CardBody,
  })
  .meta({ id: 'Agent' });
export type AgentView = z.infer<typeof AgentView>;

export function viewOf(agent: Agent): AgentView {
  return {
    agentId: agent.agentId,
    status: isRunning(agent) ? 'running' : 'expired',
    delivery: agent.delivery,
    lease: { ttlSeconds: agent.ttlSeconds, expiresAt: agent.leaseUntil },
    metadata: agent.metadata,
    card: agent.card,
  };
}
