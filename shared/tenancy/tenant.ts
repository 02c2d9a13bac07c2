// The record of a tenant, and the cached look at it that every call takes.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { now } from '../clock/clock.ts';
import { meterNames, tierNames } from '../quota/tiers.ts';
import { TenantId } from '../scope/ids.ts';
import { type CandidateScope, claimedBy, type TenantScope } from '../scope/scope.ts';
import type { DocumentKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-partition.ts';

/** What has to be made before a tenant is active, in the order it is shown. */
export const provisioningSteps = ['key', 'data-key', 'messaging-secret', 'queues'] as const;

export const Quotas = z
  .partialRecord(z.enum(meterNames), z.int().min(0))
  .meta({ id: 'Quotas', description: 'Exceptions from the limits of the tier' });

export const Tenant = z.strictObject({
  id: TenantId,
  name: z.string(),
  tier: z.enum(tierNames),
  quotas: Quotas,
  placement: z.strictObject({ namespace: z.string(), vault: z.string(), account: z.string() }),
  status: z.enum(['provisioning', 'active', 'suspended']),
  provisioning: z.array(z.strictObject({ step: z.enum(provisioningSteps), state: z.enum(['pending', 'done']) })),
  createdAt: z.iso.datetime(),
});
export type Tenant = z.infer<typeof Tenant>;

export const Tenants: DocumentKind<Tenant> = { container: 'control', type: 'tenant', schema: Tenant };
/** The only name in its kind: the record lies in its tenant's own partition. */
export const tenantRecord = 'record';

/** A record read this long ago is read again before it is trusted. */
const trustMs = 1_500;

/** The tenant records this instance has seen lately. */
export class TenantRecords {
  readonly #store: TenantStore;
  readonly #known = new LRUCache<string, { readAt: number; tenant: Promise<Tenant | undefined> }>({ max: 10_000 });

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** The tenant's record, at most 1.5 s old. Throws a DependencyError when it cannot be read. */
  of(scope: TenantScope | CandidateScope): Promise<Tenant | undefined> {
    const known = this.#known.get(claimedBy(scope));
    if (known && now() - known.readAt < trustMs) return known.tenant;
    const tenant = this.#store.verify(scope, Tenants, tenantRecord);
    const entry = { readAt: now(), tenant };
    this.#known.set(scope.tenantId, entry);
    const drop = () => this.#known.get(scope.tenantId) === entry && this.#known.delete(scope.tenantId);
    // A tenant that is being made is another one in a moment, and whoever made it asks again and again.
    tenant.then((record) => record?.status === 'provisioning' && drop(), drop);
    return tenant;
  }

  /** Makes a change to a tenant visible at once on this instance. */
  forget(tenantId: TenantId): void {
    this.#known.delete(tenantId);
  }
}
