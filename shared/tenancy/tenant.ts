// The record of a tenant, and the look at it that every call takes.
import * as z from 'zod';
import { Problem } from '../errors/problem.ts';
import { PinnedJwk } from '../identity/public-jwk.ts';
import { meterNames, tierNames } from '../quota/tiers.ts';
import { TenantId } from '../scope/ids.ts';
import type { CandidateScope, TenantScope } from '../scope/scope.ts';
import type { RememberedKind, Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';

/** What has to be made before a tenant is active, in the order it is shown. */
export const provisioningSteps = ['key', 'data-key', 'messaging-secret', 'queues'] as const;
export type ProvisioningStep = (typeof provisioningSteps)[number];

export const Settings = z.strictObject({
  /** Where people may be sent back to; matched as a whole, character by character. */
  redirectUris: z.array(z.url({ protocol: /^https?$/ }).max(2_048)).max(20),
  /** Whose signatures of agents' cards are believed. */
  cardKeys: z.array(PinnedJwk).max(20).optional(),
  /** Key sets that a card's signature may name (`jku`), matched as a whole. */
  cardKeyUrls: z
    .array(z.url({ protocol: /^https?$/ }).max(500))
    .max(10)
    .optional(),
  /** Whether an agent's card must bear a signature that verifies; optional unless stated. */
  signedCards: z.enum(['optional', 'required']).optional(),
});
export type Settings = z.infer<typeof Settings>;

export const FlagName = z
  .string()
  .regex(/^[a-z][a-zA-Z0-9.-]{0,63}$/, 'a lower-case letter, then up to 63 letters, digits, dots and hyphens');

export const Quotas = z
  .partialRecord(z.enum(meterNames), z.int().min(0))
  .meta({ id: 'Quotas', description: 'Exceptions from the limits of the tier' });

export const Tenant = z.strictObject({
  id: TenantId,
  name: z.string(),
  tier: z.enum(tierNames),
  quotas: Quotas,
  placement: z.strictObject({ namespace: z.string(), vault: z.string(), account: z.string() }),
  status: z.enum(['provisioning', 'active', 'suspended', 'erasing']),
  provisioning: z.array(z.strictObject({ step: z.enum(provisioningSteps), state: z.enum(['pending', 'done']) })),
  settings: Settings.default({ redirectUris: [] }),
  /** The tenant's exceptions from the flags of the deployment. */
  flags: z.record(FlagName, z.boolean()).default({}),
  /** What the queues were last set to. */
  queueStatus: z.enum(['Active', 'Disabled']).default('Active'),
  createdAt: z.iso.datetime(),
});
export type Tenant = z.infer<typeof Tenant>;

export const Tenants: RememberedKind<Tenant> = { container: 'control', type: 'tenant', schema: Tenant, remembered: true, proof: true };
/** The only name in its kind: the record lies in its tenant's own partition. */
export const tenantRecord = 'record';

/** What its queues should be. A tenant that is being made has the ones made so far open. */
export function queueStatusFor({ status }: Tenant): Tenant['queueStatus'] {
  return status === 'suspended' ? 'Disabled' : 'Active';
}

export function isProvisioned({ provisioning }: Tenant): boolean {
  return provisioning.every(({ state }) => state === 'done');
}

/** The record, or why it is not to be changed any more. */
export function changeable(stored: Stored<Tenant> | undefined): Stored<Tenant> | Problem {
  if (!stored) return new Problem('not_found');
  return stored.body.status === 'erasing' ? new Problem('tenant_erased') : stored;
}

export class TenantRecords {
  readonly #store: TenantStore;

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** The record as it is stored now. */
  read(scope: TenantScope | CandidateScope): Promise<Stored<Tenant> | undefined> {
    return this.#store.look(scope, Tenants, tenantRecord);
  }

  /** The tenant's record, as every instance may rely on it. Throws a DependencyError when it cannot be read. */
  async of(scope: TenantScope | CandidateScope): Promise<Tenant | undefined> {
    const tenant = await this.#store.remembered(scope, Tenants, tenantRecord);
    // A tenant that is being made is another one in a moment, and whoever made it asks again and again.
    return tenant?.status === 'provisioning' ? this.#store.verify(scope, Tenants, tenantRecord) : tenant;
  }
}
