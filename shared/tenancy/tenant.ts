// The record of a tenant, and the look at it that every call takes.
import * as z from 'zod';
import { meterNames, tierNames } from '../quota/tiers.ts';
import { TenantId } from '../scope/ids.ts';
import type { CandidateScope, TenantScope } from '../scope/scope.ts';
import type { RememberedKind } from '../storage/documents.ts';
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

export const Tenants: RememberedKind<Tenant> = { container: 'control', type: 'tenant', schema: Tenant, remembered: true, proof: true };
/** The only name in its kind: the record lies in its tenant's own partition. */
export const tenantRecord = 'record';

export class TenantRecords {
  readonly #store: TenantStore;

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** The tenant's record, as every instance may rely on it. Throws a DependencyError when it cannot be read. */
  async of(scope: TenantScope | CandidateScope): Promise<Tenant | undefined> {
    const tenant = await this.#store.remembered(scope, Tenants, tenantRecord);
    // A tenant that is being made is another one in a moment, and whoever made it asks again and again.
    return tenant?.status === 'provisioning' ? this.#store.verify(scope, Tenants, tenantRecord) : tenant;
  }
}
