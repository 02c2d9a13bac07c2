// The indexes of the tenants that are asked for agents, within a bound for all of them together. What is pushed out is loaded again when it is asked for.
import { LRUCache } from 'lru-cache';
import { now } from '../../clock/clock.ts';
import type { AgentId, TenantId } from '../../scope/ids.ts';
import { type TenantScope, tenantOf } from '../../scope/scope.ts';
import type { TenantStore } from '../../storage/tenant-store.ts';
import type { Agent } from '../agent.ts';
import type { Heartbeat } from '../lease.ts';
import type { SearchIndex } from './search-index.ts';
import { TenantIndex } from './tenant-index.ts';

/** A large index pushes out large ones alone: one tenant's size costs the many small ones nothing. */
const smallBytes = 2 * 1_024 * 1_024;
const bounds = { small: 96 * 1_024 * 1_024, large: 256 * 1_024 * 1_024 };
/** Also of tenants without agents. */
const maxTenants = 20_000;

/** Whoever is asked for single agents so often within so long is worth an index. */
const askedOften = 8;
const askedWithinMs = 10_000;

export class AgentIndexes {
  readonly #store: TenantStore;
  readonly #small = new LRUCache<TenantId, TenantIndex>({ max: maxTenants, maxSize: bounds.small, sizeCalculation: sizeOf });
  readonly #large = new LRUCache<TenantId, TenantIndex>({ max: maxTenants, maxSize: bounds.large, sizeCalculation: sizeOf });
  readonly #asked = new LRUCache<TenantId, { readonly since: number; count: number }>({ max: maxTenants });

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** The tenant's agents as they were less than a second ago. Throws a DependencyError when that cannot be found out. */
  async of(scope: TenantScope): Promise<SearchIndex> {
    const tenantId = tenantOf(scope);
    const index = this.#known(tenantId) ?? new TenantIndex(this.#store.of(scope));
    this.#keep(tenantId, index);
    const agents = await index.agents();
    this.#keep(tenantId, index);
    return agents;
  }

  /** The same where it is in memory. Where it is not, one who asks again and again will find it there in a moment. */
  async loaded(scope: TenantScope): Promise<SearchIndex | undefined> {
    const tenantId = tenantOf(scope);
    if (this.#known(tenantId)?.isLoaded) return this.of(scope);
    const asked = this.#asked.get(tenantId);
    if (!asked || now() - asked.since >= askedWithinMs) this.#asked.set(tenantId, { since: now(), count: 1 });
    else {
      asked.count += 1;
      if (asked.count === askedOften) this.of(scope).catch(() => undefined);
    }
    return undefined;
  }

  /** This instance has registered or unregistered an agent, as change number `seq` of the tenant's registry. */
  changed(scope: TenantScope, agentId: AgentId, agent: Agent | undefined, seq: number): void {
    this.#known(tenantOf(scope))?.changed(agentId, agent, seq);
  }

  /** This instance has written a heartbeat. */
  beat(scope: TenantScope, agentId: AgentId, heartbeat: Heartbeat): void {
    this.#known(tenantOf(scope))?.beat(agentId, heartbeat);
  }

  #known(tenantId: TenantId): TenantIndex | undefined {
    return this.#small.get(tenantId) ?? this.#large.get(tenantId);
  }

  /** Puts an index where it belongs by the size it has grown to. */
  #keep(tenantId: TenantId, index: TenantIndex): void {
    const [home, other] = index.bytes > smallBytes ? [this.#large, this.#small] : [this.#small, this.#large];
    other.delete(tenantId);
    home.set(tenantId, index);
  }
}

function sizeOf(index: TenantIndex): number {
  return 4_096 + index.bytes;
}
