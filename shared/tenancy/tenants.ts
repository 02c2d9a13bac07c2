// Making and reading tenants.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
import type { Namespaces } from '../bus/namespaces.ts';
import { iso, newId, now } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import { newApiKey } from '../identity/api-keys.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { canonical } from '../messaging/canonical.ts';
import type { Meter, Tier } from '../quota/tiers.ts';
import type { TenantId } from '../scope/ids.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import { create, type Stored } from '../storage/documents.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';
import { log } from '../telemetry/log.ts';
import type { TenantDirectory } from './directory.ts';
import { type ErasureRecords, viewOfErased } from './erasure.ts';
import { isProvisioned, provisioningSteps, type Tenant, type TenantRecords, Tenants, tenantRecord } from './tenant.ts';
import type { Unfinished } from './unfinished.ts';
import { type TenantView, viewOfTenant } from './view.ts';

/** A tenant id is claimed before anything is made under it, and stays claimed for ever. */
const Claims: PlatformKind<{ order: string }> = { type: 'tenant', schema: z.strictObject({ order: z.string() }) };

export interface TenantOrder {
  readonly id: TenantId;
  readonly name: string;
  readonly tier: Tier;
  readonly quotas: Readonly<Partial<Record<Meter, number>>>;
  readonly placement?: Partial<Tenant['placement']>;
}

interface Services {
  readonly config: Config;
  readonly platformDocuments: PlatformDocuments;
  readonly directory: TenantDirectory;
  readonly records: TenantRecords;
  readonly erasures: ErasureRecords;
  readonly unfinished: Unfinished;
  readonly ledger: Ledger;
  readonly bus: Bus;
  readonly namespaces: Namespaces;
}

/** A tenant as it is shown, with the tag of its record where it has one. */
export interface Shown {
  readonly view: TenantView;
  readonly stored?: Stored<Tenant>;
}

/** A tenant that is not active after this long is provisioned again when it is looked at, and no more often than this. */
const overdueMs = 10_000;
/** What was called for is called for again after this long if it is not done by then. */
const againMs = 15_000;

export class TenantService {
  readonly #services: Services;
  readonly #calledAgain = new LRUCache<string, true>({ max: 1_000, ttl: overdueMs });

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Makes a tenant and its first key. The claim, the directory and the call for provisioning may be repeated without harm, so they surround the one
   * batch that makes record and key: whoever is answered an error may send the same order again and still gets the key.
   */
  async create(
    platform: PlatformScope,
    cause: Cause,
    order: TenantOrder,
  ): Promise<{ tenant: Tenant; ownerKey?: { keyId: string; key: string } } | Problem> {
    const { platformDocuments, directory, records, ledger, erasures, unfinished } = this.#services;
    const fingerprint = createHash('sha256').update(canonical(order)).digest('base64url');
    if (!(await platformDocuments.create(platform, Claims, order.id, { order: fingerprint }))) {
      const claim = await platformDocuments.read(platform, Claims, order.id);
      if (claim?.body.order !== fingerprint) return new Problem('tenant_exists');
    }
    if (await erasures.read(platform, order.id)) return new Problem('tenant_exists');
    const scope = await platform.assume(order.id, 'tenant creation');
    const present = await records.read(scope);
    if (present) {
      await this.#callAgain(platform, present.body);
      return { tenant: present.body };
    }

    await directory.add(platform, order.id);
    await unfinished.enter(platform, order.id, now() + againMs);
    const tenant = this.#newRecord(order);
    const { keyId, text, change } = newApiKey(order.id, { name: 'owner', role: 'owner', createdBy: cause.actor.id });
    const made = await ledger.commit(scope, cause, async (partition) => {
      const raced = await partition.read(Tenants, tenantRecord);
      if (raced || (await erasures.read(platform, order.id))) return new Problem('tenant_exists');
      return {
        changes: [create(Tenants, tenantRecord, tenant), change],
        event: {
          action: 'tenant.created',
          entity: { type: 'tenant', id: order.id },
          new: { name: order.name, tier: order.tier, ownerKeyId: keyId },
        },
        result: tenant,
      };
    });
    if (made instanceof Problem) {
      // The same order, twice at once: the other one has the key.
      const other = await records.read(scope);
      return other ? { tenant: other.body } : made;
    }
    await this.call(platform, order.id);
    return { tenant, ownerKey: { keyId, key: text } };
  }

  /** A tenant for itself. */
  async read(scope: TenantScope): Promise<Shown | Problem> {
    const stored = await this.#services.records.read(scope);
    return stored ? this.show(stored) : new Problem('not_found');
  }

  /** A tenant for the platform, which reads nothing else of it; one that was erased too. */
  async readFor(platform: PlatformScope, tenantId: TenantId): Promise<Shown | Problem> {
    const { records, erasures } = this.#services;
    if (!(await this.isClaimed(platform, tenantId))) return new Problem('not_found');
    const stored = await records.read(platform.observe(tenantId));
    if (stored) {
      await this.#callAgain(platform, stored.body);
      return this.show(stored);
    }
    const erased = await erasures.read(platform, tenantId);
    return erased ? { view: viewOfErased(erased) } : new Problem('not_found');
  }

  show(stored: Stored<Tenant>): Shown {
    return { view: viewOfTenant(stored.body, this.#services.config.flags), stored };
  }

  /** Whether there is, or ever was, such a tenant. */
  async isClaimed(platform: PlatformScope, tenantId: TenantId): Promise<boolean> {
    return (await this.#services.platformDocuments.read(platform, Claims, tenantId)) !== undefined;
  }

  /** Tenants from position `from`, oldest first, and where the next page begins. Those that were erased are none any more. */
  async list(platform: PlatformScope, from: number, limit: number): Promise<{ items: TenantView[]; next?: number }> {
    const { directory, records, config } = this.#services;
    const ids = await directory.list(platform, from, limit + 1);
    const found = await Promise.all(ids.slice(0, limit).map((id) => (id === null ? undefined : records.of(platform.observe(id)))));
    const items = found.filter((tenant) => tenant !== undefined).map((tenant) => viewOfTenant(tenant, config.flags));
    return ids.length > limit ? { items, next: from + limit } : { items };
  }

  /** Asks that what lies around a tenant is brought to what has just been written of it. Asked again by the timer until it is done. */
  async settleSoon(platform: PlatformScope, tenantId: TenantId): Promise<void> {
    await this.#services.unfinished.enter(platform, tenantId, now() + againMs);
    await this.call(platform, tenantId);
  }

  /** The change is made whether or not the call goes out; the timer calls again. */
  async call(platform: PlatformScope, tenantId: TenantId): Promise<void> {
    try {
      await this.#services.bus.sendToPlatform(platform, 'platform-provision', { messageId: newId(), body: { kind: 'tenant', tenantId } });
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('provisioning could not be called for', tenantId);
    }
  }

  #newRecord(order: TenantOrder): Tenant {
    const { config, namespaces } = this.#services;
    return {
      id: order.id,
      name: order.name,
      tier: order.tier,
      quotas: { ...order.quotas },
      placement: {
        namespace: order.placement?.namespace ?? namespaces.nameFor(order.id),
        vault: order.placement?.vault ?? new URL(config.keyVaultUrl).host,
        account: order.placement?.account ?? new URL(config.cosmos.endpoint).host,
      },
      status: 'provisioning',
      provisioning: provisioningSteps.map((step) => ({ step, state: 'pending' })),
      settings: { redirectUris: [] },
      flags: {},
      queueStatus: 'Active',
      createdAt: iso(),
    };
  }

  /** For a tenant that should have been active by now. */
  async #callAgain(platform: PlatformScope, tenant: Tenant): Promise<void> {
    if (isProvisioned(tenant) || now() - Date.parse(tenant.createdAt) < overdueMs || this.#calledAgain.has(tenant.id)) return;
    this.#calledAgain.set(tenant.id, true);
    await this.call(platform, tenant.id);
  }
}
