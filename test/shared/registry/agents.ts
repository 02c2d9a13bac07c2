// Agents as the store holds them, for tests that need no registration.
import type { Agent } from '../../../shared/registry/agent.ts';
import { AgentId } from '../../../shared/scope/ids.ts';

export interface AgentShape {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly skills: readonly {
    readonly id: string;
    readonly name: string;
    readonly description: string;
    readonly tags: readonly string[];
  }[];
  readonly streaming: boolean;
  /** Its lease ends in 2001, or ended in 1970. */
  readonly isRunning: boolean;
}

const skill = { id: 'anything', name: 'anything', description: 'does anything', tags: [] };

export function agentWith(shape: Partial<AgentShape> & { readonly id: string; readonly leaseUntil?: string }): Agent {
  const { id, name = id, description = id, skills = [skill], streaming = true, isRunning = true } = shape;
  const card = { name, description, skills, capabilities: { streaming } };
  return {
    agentId: AgentId.parse(id),
    delivery: 'push',
    endpoint: 'https://agents.example/hook',
    dedicatedQueue: false,
    metadata: {},
    cardVersion: '1.0',
    original: card,
    card,
    skills: skills.map(({ id: skillId }) => skillId),
    tags: skills.flatMap(({ tags }) => tags),
    ttlSeconds: 60,
    leaseUntil: shape.leaseUntil ?? (isRunning ? '2001-01-01T00:00:00.000Z' : '1970-01-01T00:00:00.001Z'),
    registeredAt: '1970-01-01T00:00:00.000Z',
  };
}
