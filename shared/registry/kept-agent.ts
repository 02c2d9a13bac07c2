// An agent as the index keeps it: what is asked of it often as fields, everything that is shown of it as one text.
import type { TenantQueue } from '../bus/queue-names.ts';
import { iso } from '../clock/clock.ts';
import type { AgentId } from '../scope/ids.ts';
import { type Agent, type AgentView, queueOf, viewOf } from './agent.ts';
import type { Card } from './card/card.ts';
import { type Heartbeat, leaseEnd } from './lease.ts';

/** The card as it came is read from the store by the one route that shows it; the lease changes more often than all the rest. */
type Text = Omit<Agent, 'original' | 'leaseUntil'>;

/** What a text takes beside its characters: the index of its words and the objects around it. */
const overhead = 1_024;

export class KeptAgent {
  readonly agentId: AgentId;
  readonly delivery: Agent['delivery'];
  readonly dedicatedQueue: boolean;
  readonly endpoint: string | undefined;
  readonly isOrchestrator: boolean;
  readonly hasHealthCheck: boolean;
  readonly ttlSeconds: number;
  /** The lease that the registration gave. */
  readonly leaseUntil: string;
  /** JSON: ten thousand agents are ten thousand texts, not a million objects for the collector to walk. */
  readonly text: string;
  #heartbeat: Heartbeat | undefined;
  #leaseEnd: number;

  constructor(agent: Agent, heartbeat?: Heartbeat) {
    this.agentId = agent.agentId;
    this.delivery = agent.delivery;
    this.dedicatedQueue = agent.dedicatedQueue;
    this.endpoint = agent.endpoint;
    this.isOrchestrator = agent.metadata['orchestrator'] === true;
    this.hasHealthCheck = agent.healthCheckUrl !== undefined;
    this.ttlSeconds = agent.ttlSeconds;
    this.leaseUntil = agent.leaseUntil;
    this.text = textOf(agent);
    this.#heartbeat = heartbeat?.of === agent.leaseUntil ? heartbeat : undefined;
    this.#leaseEnd = leaseEnd(agent, heartbeat);
  }

  /** Until when it runs, in milliseconds. */
  get leaseEnd(): number {
    return this.#leaseEnd;
  }

  get queue(): TenantQueue {
    return queueOf(this);
  }

  /** What it takes in memory, roughly. */
  get bytes(): number {
    return this.text.length * 2 + overhead;
  }

  /** Takes a heartbeat that reaches further than what is known; a late one, or one of a former registration, changes nothing. */
  beat(heartbeat: Heartbeat): void {
    const end = leaseEnd(this, heartbeat);
    if (end <= this.#leaseEnd) return;
    this.#heartbeat = heartbeat;
    this.#leaseEnd = end;
  }

  view(): AgentView {
    return viewOf({ ...this.#read(), leaseUntil: iso(this.#leaseEnd) }, this.#heartbeat);
  }

  /** What it is searched by. */
  facts(): { name: string; description: string; skills: Card['skills']; capabilities: string[] } {
    // The 1.0 form was made by `readCard`, whose type it has.
    const { name, description, skills, capabilities } = this.#read().card as Card;
    const flags = Object.entries(capabilities).flatMap(([flag, isSet]) => (isSet === true ? flag : []));
    return { name, description, skills, capabilities: flags };
  }

  #read(): Text {
    // It was written from just this.
    return JSON.parse(this.text) as Text;
  }
}

/** How much of the registry an agent takes, the same on every instance. */
export function bytesOf(agent: Agent): number {
  return Buffer.byteLength(textOf(agent));
}

function textOf({ original: _, leaseUntil: __, ...text }: Agent): string {
  return JSON.stringify(text satisfies Text);
}
