// One tenant's agents in memory, following the store: by the revision what was registered and unregistered, by the heartbeats who still runs. It looks
// only when it is used, at most about once a second.
import { now, wait } from '../../clock/clock.ts';
import type { AgentId } from '../../scope/ids.ts';
import type { DocumentKind, Stored } from '../../storage/documents.ts';
import type { TenantPartition } from '../../storage/tenant-partition.ts';
import { type Agent, Agents } from '../agent.ts';
import { KeptAgent } from '../kept-agent.ts';
import { type Heartbeat, Heartbeats } from '../lease.ts';
import { type ReadRevision, readRevision } from '../revision.ts';
import { SearchIndex } from './search-index.ts';

/** Knowledge older than this is refreshed beside the call that uses it… */
const refreshMs = 750;
/** …and older than this before it. */
const staleMs = 1_000;
/** Heartbeats are read so long before the next known lease ends: who renews at half-life has done so by then. */
const lookAheadMs = 2_500;
const leasesEveryMs = 1_000;
/** Whoever does not run is looked at again after this long at the latest, should its revival not have been told. */
const endedAgainMs = 30_000;

const pageSize = 200;
const readsAtOnce = 16;

/** A change this instance made, which a read that began before it must not undo. */
interface Own {
  readonly seq: number;
  readonly agent: Agent | undefined;
}

export class TenantIndex {
  readonly #partition: TenantPartition;
  #agents = new SearchIndex();
  /** Of the revision that is wholly in here; undefined before the first load. */
  #seq: number | undefined;
  /** When the reads began that the knowledge here comes from. */
  #readAt = Number.NEGATIVE_INFINITY;
  #leasesReadAt = Number.NEGATIVE_INFINITY;
  /** No known lease ends between the last reading of heartbeats and this. */
  #nextEnd = Number.POSITIVE_INFINITY;
  #hasEnded = false;
  #refreshing: Promise<void> | undefined;
  readonly #own = new Map<AgentId, Own>();

  constructor(partition: TenantPartition) {
    this.#partition = partition;
  }

  get isLoaded(): boolean {
    return this.#seq !== undefined;
  }

  get bytes(): number {
    return this.#agents.bytes;
  }

  /** The agents as they were less than a second ago, with this instance's own changes; a promise only where that has to be read. */
  agents(): SearchIndex | Promise<SearchIndex> {
    const time = now();
    if (!this.#isUsable(time)) return this.#wait(time);
    if (this.#isDue(time)) this.#refresh().catch(() => undefined);
    return this.#agents;
  }

  /** This instance has registered or unregistered an agent, as change number `seq`. */
  changed(agentId: AgentId, agent: Agent | undefined, seq: number): void {
    // What is known is newer, or nothing is and nobody asks.
    if (seq <= (this.#seq ?? 0) || (!this.isLoaded && !this.#refreshing)) return;
    if (seq < (this.#own.get(agentId)?.seq ?? 0)) return;
    this.#own.set(agentId, { seq, agent });
    this.#apply(agentId, agent && new KeptAgent(agent));
  }

  beat(agentId: AgentId, heartbeat: Heartbeat): void {
    this.#agents.get(agentId)?.beat(heartbeat);
  }

  async #wait(since: number): Promise<SearchIndex> {
    // One that was under way may have begun too long ago; the next one has not.
    while (!this.#isUsable(since)) await this.#refresh();
    return this.#agents;
  }

  #isUsable(time: number): boolean {
    const age = time - this.#readAt;
    const hasLeaseEnded = this.#nextEnd <= time && time - this.#leasesReadAt >= leasesEveryMs;
    // A clock that was set back proves nothing; nor does one call's time when another has refreshed since.
    return this.isLoaded && age < staleMs && age > -60_000 && !hasLeaseEnded;
  }

  #isDue(time: number): boolean {
    return time - this.#readAt >= refreshMs || this.#areLeasesDue(time);
  }

  #areLeasesDue(time: number): boolean {
    const age = time - this.#leasesReadAt;
    return (age >= leasesEveryMs && this.#nextEnd <= time + lookAheadMs) || (age >= endedAgainMs && this.#hasEnded);
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const startedAt = now();
    const revision = await readRevision(this.#partition);
    const changed = this.#seq === undefined ? undefined : revision.changedSince(this.#seq);
    if (changed) await this.#readChanged(changed, revision.seq);
    else await this.#load(revision);
    this.#seq = revision.seq;
    for (const [agentId, { seq }] of this.#own) if (seq <= revision.seq) this.#own.delete(agentId);
    if (this.#areLeasesDue(now())) await this.#readLeases();
    this.#readAt = startedAt;
    if (this.#agents.isWorn) await this.#rebuild();
  }

  async #load(revision: ReadRevision): Promise<void> {
    const loaded = new SearchIndex();
    const startedAt = now();
    const heartbeats = new Map<string, Heartbeat>();
    for await (const page of this.#pages(Heartbeats)) for (const { name, body } of page) heartbeats.set(name, body);
    for await (const page of this.#pages(Agents))
      for (const { body } of page) loaded.put(new KeptAgent(body, heartbeats.get(body.agentId)));
    this.#agents = loaded;
    this.#leasesReadAt = startedAt;
    for (const [agentId, { seq, agent }] of this.#own) if (seq > revision.seq) this.#apply(agentId, agent && new KeptAgent(agent));
    this.#lookAtLeases();
  }

  /** Each page is a request of its own: the other calls of this process are served in between. */
  async *#pages<Body>(kind: DocumentKind<Body>): AsyncGenerator<readonly Stored<Body>[]> {
    let after: string | undefined;
    do {
      const page = await this.#partition.list(kind, { limit: pageSize, ...(after !== undefined && { after }) });
      yield page;
      after = page.length < pageSize ? undefined : page.at(-1)?.name;
    } while (after !== undefined);
  }

  async #readChanged(changed: ReadonlyMap<AgentId, number>, seq: number): Promise<void> {
    // Of an own change there is nothing to learn, unless another one has followed it.
    const unknown = [...changed].filter(([agentId, at]) => this.#own.get(agentId)?.seq !== at).map(([agentId]) => agentId);
    for (let at = 0; at < unknown.length; at += readsAtOnce)
      await Promise.all(
        unknown.slice(at, at + readsAtOnce).map(async (agentId) => {
          const [agent, heartbeat] = await Promise.all([this.#partition.read(Agents, agentId), this.#partition.read(Heartbeats, agentId)]);
          if ((this.#own.get(agentId)?.seq ?? 0) <= seq) this.#apply(agentId, agent && new KeptAgent(agent.body, heartbeat?.body));
        }),
      );
  }

  async #readLeases(): Promise<void> {
    const startedAt = now();
    for await (const page of this.#pages(Heartbeats)) for (const { name, body } of page) this.#agents.get(name as AgentId)?.beat(body); // names of this kind are agents' ids
    this.#leasesReadAt = startedAt;
    this.#lookAtLeases();
  }

  #apply(agentId: AgentId, agent: KeptAgent | undefined): void {
    if (!agent) {
      this.#agents.remove(agentId);
      return;
    }
    this.#agents.put(agent);
    if (agent.leaseEnd > this.#leasesReadAt) this.#nextEnd = Math.min(this.#nextEnd, agent.leaseEnd);
    else this.#hasEnded = true;
  }

  #lookAtLeases(): void {
    this.#nextEnd = Number.POSITIVE_INFINITY;
    this.#hasEnded = false;
    for (const { leaseEnd } of this.#agents.all())
      if (leaseEnd <= this.#leasesReadAt) this.#hasEnded = true;
      else this.#nextEnd = Math.min(this.#nextEnd, leaseEnd);
  }

  /** A part at a time, so that no other tenant waits for this one's renewal. */
  async #rebuild(): Promise<void> {
    const rebuilt = new SearchIndex();
    let count = 0;
    for (const agent of [...this.#agents.all()]) {
      rebuilt.put(agent);
      count += 1;
      if (count % pageSize === 0) await wait(0);
    }
    // What has changed meanwhile.
    for (const agent of [...rebuilt.all()]) if (!this.#agents.get(agent.agentId)) rebuilt.remove(agent.agentId);
    for (const agent of this.#agents.all()) if (rebuilt.get(agent.agentId) !== agent) rebuilt.put(agent);
    this.#agents = rebuilt;
  }
}
