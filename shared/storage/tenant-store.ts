// The way to tenants' documents: a partition for whoever has the right to it, a proof for whoever claims something, and what may be remembered of both.
import type { TenantId } from '../scope/ids.ts';
import { type CandidateScope, claimedBy, type TenantScope, tenantOf } from '../scope/scope.ts';
import type { Cosmos } from './cosmos.ts';
import type { DocumentKind, RememberedKind, Stored } from './documents.ts';
import type { Epoch } from './epoch.ts';
import { Memory } from './memory.ts';
import { TenantPartition } from './tenant-partition.ts';

/** Opens partitions. Made once per process. */
export class TenantStore {
  readonly #cosmos: Cosmos;
  readonly #epoch: Epoch;
  readonly #memory: Memory;

  constructor(cosmos: Cosmos, epoch: Epoch) {
    this.#cosmos = cosmos;
    this.#epoch = epoch;
    this.#memory = new Memory(epoch);
  }

  /** Everything the scope's tenant has. */
  of(scope: TenantScope): TenantPartition {
    return new TenantPartition(this.#cosmos, this.#epoch, tenantOf(scope));
  }

  /** Point-reads what verifies a claim (a key, the tenant's record). For a candidate this is all there is. Throws a TypeError for other kinds. */
  async verify<Body>(candidate: CandidateScope | TenantScope, kind: DocumentKind<Body>, name: string): Promise<Body | undefined> {
    return (await this.look(candidate, kind, name))?.body;
  }

  /** As `verify`, with the tag that a conditional change must name. */
  async look<Body>(candidate: CandidateScope | TenantScope, kind: DocumentKind<Body>, name: string): Promise<Stored<Body> | undefined> {
    mayRead(candidate, kind);
    return new TenantPartition(this.#cosmos, this.#epoch, claimedBy(candidate)).read(kind, name);
  }

  /** As `verify`, from memory where it may be trusted: a change made anywhere more than 2 s ago shows. Throws a DependencyError rather than guess. */
  remembered<Body>(candidate: CandidateScope | TenantScope, kind: RememberedKind<Body>, name: string): Promise<Body | undefined> {
    mayRead(candidate, kind);
    return this.#memory.one(claimedBy(candidate), kind, name, () => this.verify(candidate, kind, name));
  }

  /** What `remembered` would find without a read, as of the last time the epoch was looked at; undefined when it would have to read. */
  known(candidate: CandidateScope | TenantScope, kind: RememberedKind<unknown>, name: string): 'present' | 'absent' | undefined {
    mayRead(candidate, kind);
    return this.#memory.knows(claimedBy(candidate), kind, name);
  }

  /** All documents of a kind that a tenant has few of (up to 1,000), under the same promise. */
  rememberedAll<Body>(scope: CandidateScope | TenantScope, kind: RememberedKind<Body>): Promise<readonly Stored<Body>[]> {
    mayRead(scope, kind);
    const tenantId = claimedBy(scope);
    return this.#memory.all(tenantId, kind, () => new TenantPartition(this.#cosmos, this.#epoch, tenantId).list(kind));
  }

  /** Another number after every change to something remembered of the tenant; what was derived under another one is to be made again. */
  generation(tenantId: TenantId): number {
    return this.#epoch.generation(tenantId);
  }

  /** Undefined when what is remembered may be trusted; else what to wait for. It rejects with a DependencyError. */
  fresh(): Promise<void> | undefined {
    return this.#epoch.fresh();
  }
}

/** Without a verified scope only proofs are read: nothing else of a tenant is anybody's business who merely names it. */
function mayRead(scope: CandidateScope | TenantScope, kind: DocumentKind<unknown>): void {
  // Throws on a candidate: the cast is what is being checked.
  if (!kind.proof) tenantOf(scope as TenantScope);
}
