// The revision of a tenant's registry: one document, changed in the batch of every registration, by which every instance finds out which agents have
// changed since it last looked. It also counts: how many agents there are, and how large they are together.
import * as z from 'zod';
import { chance, wait } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import { AgentId } from '../scope/ids.ts';
import { type Change, create, type DocumentKind, replace, type Stored } from '../storage/documents.ts';
import type { TenantPartition } from '../storage/tenant-partition.ts';
import { type Agent, Agents } from './agent.ts';
import { bytesOf } from './kept-agent.ts';

const Revision = z.strictObject({
  seq: z.int(),
  agents: z.int(),
  /** Of all agents as the index keeps them. */
  bytes: z.int(),
  /** The latest ones, oldest first. */
  changes: z.array(z.tuple([z.int(), AgentId])),
});
type Revision = z.infer<typeof Revision>;

const Revisions: DocumentKind<Revision> = { container: 'control', type: 'registry', schema: Revision };
/** The only name in its kind. */
const revisionName = 'revision';

const keptChanges = 200;
const tries = 20;

/** A revision as it was read: what it says, and what it becomes with a change. */
export class ReadRevision {
  readonly agents: number;
  readonly bytes: number;
  readonly seq: number;
  readonly #stored: Stored<Revision> | undefined;
  readonly #changes: Revision['changes'];

  constructor(stored: Stored<Revision> | undefined, { seq, agents, bytes, changes }: Revision) {
    this.#stored = stored;
    this.seq = seq;
    this.agents = agents;
    this.bytes = bytes;
    this.#changes = changes;
  }

  /** The agents changed after `seq`, each with its latest change; undefined when that is too long ago to be known. */
  changedSince(seq: number): ReadonlyMap<AgentId, number> | undefined {
    const oldest = this.#changes[0]?.[0] ?? this.seq + 1;
    if (seq > this.seq || oldest > seq + 1) return undefined;
    return new Map(this.#changes.filter(([at]) => at > seq).map(([at, agentId]) => [agentId, at]));
  }

  /** The change to commit beside those of these agents, and the number it will have. One revision is followed by one change. */
  next(agentIds: readonly AgentId[], grown: { agents: number; bytes: number } = { agents: 0, bytes: 0 }): { change: Change; seq: number } {
    const seq = this.seq + agentIds.length;
    const body: Revision = {
      seq,
      agents: this.agents + grown.agents,
      bytes: this.bytes + grown.bytes,
      changes: [...this.#changes, ...agentIds.map((agentId, at): [number, AgentId] => [this.seq + 1 + at, agentId])].slice(-keptChanges),
    };
    return { change: this.#stored ? replace(Revisions, this.#stored, body) : create(Revisions, revisionName, body), seq };
  }
}

/** To see what has changed. A tenant without a revision is at the beginning. */
export async function readRevision(partition: TenantPartition): Promise<ReadRevision> {
  const stored = await partition.read(Revisions, revisionName);
  return new ReadRevision(stored, stored?.body ?? { seq: 0, agents: 0, bytes: 0, changes: [] });
}

/** To make the next one. Where a tenant has none its agents are counted: it has none yet, or they are older than revisions are. */
export async function countedRevision(partition: TenantPartition): Promise<ReadRevision> {
  const revision = await readRevision(partition);
  if (revision.seq > 0) return revision;
  const agents = await allAgents(partition);
  const bytes = agents.reduce((sum, agent) => sum + bytesOf(agent), 0);
  return new ReadRevision(undefined, { seq: 0, agents: agents.length, bytes, changes: [] });
}

async function allAgents(partition: TenantPartition): Promise<Agent[]> {
  const found: Agent[] = [];
  for await (const page of partition.scan(Agents)) found.push(...page.map(({ body }) => body));
  return found;
}

/** Has every instance look at these agents again. For what changes an agent's state without changing its document. Throws a DependencyError. */
export async function tellRevision(partition: TenantPartition, agentIds: readonly AgentId[]): Promise<number> {
  for (let count = 1; count <= tries; count++) {
    const { change, seq } = (await countedRevision(partition)).next(agentIds);
    if ((await partition.commit([change])).done) return seq;
    await wait(chance() * 10 * count);
  }
  throw new DependencyError('cosmos', 'too many changes of one registry at once');
}
