// Where scopes are made. Only the files named in the floors check may import this one; everybody else takes the types from `scope.ts`.
import type { TenantId } from './ids.ts';

/** Which of the four makers of architecture 1.2 a scope came from. */
export type ScopeOrigin = 'identity' | 'envelope' | 'ticket' | 'assumed';

/** The right to touch one tenant's data. Stores, vault and bus take nothing else, and check it at run time. */
export class TenantScope {
  readonly #tenantId: TenantId;
  readonly origin: ScopeOrigin;

  constructor(tenantId: TenantId, origin: ScopeOrigin) {
    this.#tenantId = tenantId;
    this.origin = origin;
  }

  /** Throws a TypeError on anything that only looks like a scope: a private field cannot be imitated, shadowed or proxied. */
  static tenantOf(scope: TenantScope): TenantId {
    return scope.#tenantId;
  }

  get tenantId(): TenantId {
    return this.#tenantId;
  }
}

/** A tenant as a key, an audience or an entity claims it: good for reading what verifies the claim, and for nothing else. */
export class CandidateScope {
  readonly #tenantId: TenantId;

  constructor(tenantId: TenantId) {
    this.#tenantId = tenantId;
  }

  /** Throws a TypeError on anything that only looks like a scope of either kind. */
  static claimedBy(scope: CandidateScope | TenantScope): TenantId {
    return #tenantId in scope ? scope.#tenantId : TenantScope.tenantOf(scope);
  }

  get tenantId(): TenantId {
    return this.#tenantId;
  }
}

/** The platform itself, acting for a named reason: a verified platform identity, a platform queue or a timer. */
export class PlatformScope {
  readonly #record: (ledgerOf: TenantScope, tenantId: TenantId, reason: string) => Promise<void>;
  /** The platform's own partition, where its ledger lies. No tenant can have this id (it is reserved), hence the cast. */
  readonly own = new TenantScope('platform' as TenantId, 'assumed');

  /** `record` writes to the ledger of the first that the platform has become the second. */
  constructor(record: (ledgerOf: TenantScope, tenantId: TenantId, reason: string) => Promise<void>) {
    this.#record = record;
  }

  /** Becomes one tenant. The reason stands in that tenant's ledger before the scope can be used. */
  async assume(tenantId: TenantId, reason: string): Promise<TenantScope> {
    const scope = new TenantScope(tenantId, 'assumed');
    await this.#record(scope, tenantId, reason);
    return scope;
  }

  /** Becomes a tenant that ends or has ended: the reason stands in the platform's own ledger, since the tenant's takes nothing more. */
  async assumeEnding(tenantId: TenantId, reason: string): Promise<TenantScope> {
    await this.#record(this.own, tenantId, reason);
    return new TenantScope(tenantId, 'assumed');
  }

  /** A look at what a tenant's record says of it, which is the platform's business; nothing else of the tenant can be read with it. */
  observe(tenantId: TenantId): CandidateScope {
    return new CandidateScope(tenantId);
  }

  /** Throws a TypeError on anything that only looks like a platform scope. */
  static verify(scope: PlatformScope): void {
    void scope.#record;
  }
}
