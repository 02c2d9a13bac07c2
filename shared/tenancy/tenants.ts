// Making and reading tenants.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
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
import { create } from '../storage/documents.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';
import { log } from '../telemetry/log.ts';
import type { TenantDirectory } from './directory.ts';
import { provisioningSteps, type Tenant, type TenantRecords, Tenants, tenantRecord } from './tenant.ts';

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
  readonly ledger: Ledger;
  readonly bus: Bus;
}

/** A tenant that is not active after this long is provisioned again, and no more often than this. */
const overdueMs = 10_000;

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
    const { platformDocuments, directory, records, ledger } = this.#services;
    const fingerprint = createHash('sha256').update(canonical(order)).digest('base64url');
    if (!(await platformDocuments.create(platform, Claims, order.id, { order: fingerprint }))) {
      const claim = await platformDocuments.read(platform, Claims, order.id);
      if (claim?.body.order !== fingerprint) return new Problem('tenant_exists');
    }
    const scope = await platform.assume(order.id, 'tenant creation');
    const present = await records.of(scope);
    if (present) {
      await this.#provisionAgain(platform, present);
      return { tenant: present };
    }

    await directory.add(platform, order.id);
    const tenant = this.#newRecord(order);
    const { keyId, text, change } = newApiKey(order.id, { name: 'owner', role: 'owner', createdBy: cause.actor.id });
    const made = await ledger.commit(scope, cause, async (partition) => {
      const raced = await partition.read(Tenants, tenantRecord);
      if (raced) return new Problem('tenant_exists');
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
      const other = await records.of(scope);
      return other ? { tenant: other } : made;
    }
    await this.#provision(platform, order.id);
    return { tenant, ownerKey: { keyId, key: text } };
  }

  /** One tenant's record, for itself or for the platform. */
  async read(scope: TenantScope): Promise<Tenant | Problem> {
    return (await this.#services.records.of(scope)) ?? new Problem('not_found');
  }

  /** A tenant's record for the platform, which reads nothing else of it. */
  async readFor(platform: PlatformScope, tenantId: TenantId): Promise<Tenant | Problem> {
    const claim = await this.#services.platformDocuments.read(platform, Claims, tenantId);
    if (!claim) return new Problem('not_found');
    const tenant = await this.#services.records.of(platform.observe(tenantId));
    if (tenant) await this.#provisionAgain(platform, tenant);
    return tenant ?? new Problem('not_found');
  }

  /** Tenants from position `from`, oldest first, and where the next page begins. */
  async list(platform: PlatformScope, from: number, limit: number): Promise<{ items: Tenant[]; next?: number }> {
    const ids = await this.#services.directory.list(platform, from, limit + 1);
    const records = await Promise.all(ids.slice(0, limit).map((id) => this.#services.records.of(platform.observe(id))));
    const items = records.filter((tenant) => tenant !== undefined);
    return ids.length > limit ? { items, next: from + limit } : { items };
  }

  #newRecord(order: TenantOrder): Tenant {
    const { config } = this.#services;
    return {
      id: order.id,
      name: order.name,
      tier: order.tier,
      quotas: { ...order.quotas },
      placement: {
        namespace: order.placement?.namespace ?? new URL(this.#services.bus.endpoint).host,
        vault: order.placement?.vault ?? new URL(config.keyVaultUrl).host,
        account: order.placement?.account ?? new URL(config.cosmos.endpoint).host,
      },
      status: 'provisioning',
      provisioning: provisioningSteps.map((step) => ({ step, state: 'pending' })),
      createdAt: iso(),
    };
  }

  /** The tenant is made whether or not the call goes out: its key must reach its owner. Looking at it calls again. */
  async #provision(platform: PlatformScope, tenantId: TenantId): Promise<void> {
    try {
      await this.#services.bus.sendToPlatform(platform, 'platform-provision', { messageId: newId(), body: { kind: 'tenant', tenantId } });
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('provisioning could not be called for', tenantId);
    }
  }

  /** For a tenant that should have been active by now. */
  async #provisionAgain(platform: PlatformScope, tenant: Tenant): Promise<void> {
    if (tenant.status !== 'provisioning' || now() - Date.parse(tenant.createdAt) < overdueMs || this.#calledAgain.has(tenant.id)) return;
    this.#calledAgain.set(tenant.id, true);
    await this.#provision(platform, tenant.id);
  }
}
