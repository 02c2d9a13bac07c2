// Changes of a tenant, by its own people and by the platform. Each stands in the tenant's ledger with who made it, with what was and what is.
import * as z from 'zod';
import type { Config } from '../config/config.ts';
import { type Fault, Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import { meterNames, tierNames } from '../quota/tiers.ts';
import type { TenantId } from '../scope/ids.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import { replace } from '../storage/documents.ts';
import { stopForErasure } from './erase.ts';
import type { ErasureRecords, Kept } from './erasure.ts';
import type { Precondition } from './members.ts';
import { isSettled } from './settle.ts';
import { changeable, FlagName, Settings, Tenant, type TenantRecords, Tenants, tenantRecord } from './tenant.ts';
import type { Shown, TenantService } from './tenants.ts';

const part = z.string().min(1).max(253);
const maxFlags = 100;

/** What a tenant's own people may change; a flag that is null is the deployment's again. */
const OwnChange = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  settings: Settings.partial().optional(),
  flags: z.record(FlagName, z.boolean().nullable()).optional(),
});

/** What the platform may change; a quota that is null is the tier's again. */
const PlatformChange = z.strictObject({
  tier: z.enum(tierNames).optional(),
  quotas: z.partialRecord(z.enum(meterNames), z.int().min(0).nullable()).optional(),
  placement: z.strictObject({ namespace: part.optional(), vault: part.optional(), account: part.optional() }).optional(),
});

export const TenantChange = z.strictObject({ ...OwnChange.shape, ...PlatformChange.shape });
export type TenantChange = z.infer<typeof TenantChange>;

/** The fields of a change that are not for this kind of caller. */
export function foreignFields(change: TenantChange, caller: 'tenant' | 'platform'): string[] {
  const own = caller === 'tenant' ? OwnChange.shape : PlatformChange.shape;
  return Object.keys(change).filter((field) => !(field in own));
}

interface Services {
  readonly config: Config;
  readonly platform: PlatformScope;
  readonly records: TenantRecords;
  readonly tenants: TenantService;
  readonly erasures: ErasureRecords;
  readonly ledger: Ledger;
}

export class TenantChanges {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Merges the change into the record, member by member. One that changes nothing is no event. */
  async update(scope: TenantScope, cause: Cause, change: TenantChange, precondition: Precondition): Promise<Shown | Problem> {
    const faults = this.#faultsOf(change);
    if (faults.length > 0) return new Problem('validation_failed', { errors: faults });
    return this.#write(scope, cause, 'tenant.updated', precondition, (tenant) => {
      const { name = tenant.name, tier = tenant.tier } = change;
      const { redirectUris = tenant.settings.redirectUris, ...others } = change.settings ?? {};
      const settings = { ...tenant.settings, ...others, redirectUris };
      const flags = merged(tenant.flags, change.flags ?? {});
      const next = { ...tenant, name, tier, settings, flags, quotas: merged(tenant.quotas, change.quotas ?? {}) };
      const placement = merged(tenant.placement, change.placement ?? {});
      if (Object.keys(flags).length > maxFlags)
        return new Problem('validation_failed', {
          errors: [{ pointer: '/flags', message: `a tenant has at most ${maxFlags} exceptions` }],
        });
      return { ...next, placement: { ...tenant.placement, ...placement } };
    });
  }

  /** As `update`, for the platform. */
  async updateFor(tenantId: TenantId, cause: Cause, change: TenantChange, precondition: Precondition): Promise<Shown | Problem> {
    const scope = await this.#assume(tenantId, 'tenant update');
    return scope instanceof Problem ? scope : this.update(scope, cause, change, precondition);
  }

  /** Stops a tenant's keys, tokens and queues: keys on this instance at once, elsewhere within 2 s, queues as soon as they are set. Safe to repeat. */
  suspend(tenantId: TenantId, cause: Cause): Promise<Shown | Problem> {
    return this.#turn(tenantId, cause, 'tenant.suspended', (tenant) => ({ ...tenant, status: 'suspended' }));
  }

  /** Ends a suspension; a tenant that was suspended while it was being made goes on being made. Safe to repeat. */
  resume(tenantId: TenantId, cause: Cause): Promise<Shown | Problem> {
    return this.#turn(tenantId, cause, 'tenant.resumed', (tenant) => {
      if (tenant.status !== 'suspended') return tenant;
      return { ...tenant, status: tenant.provisioning.every(({ state }) => state === 'done') ? 'active' : 'provisioning' };
    });
  }

  /** Stops the tenant for good and has it erased. The record says how far that is. Safe to repeat. */
  async erase(tenantId: TenantId, cause: Cause): Promise<Kept | Problem> {
    const { platform, records, tenants, erasures, ledger } = this.#services;
    if (!(await tenants.isClaimed(platform, tenantId))) return new Problem('not_found');
    const present = await records.read(platform.observe(tenantId));
    const known = await erasures.read(platform, tenantId);
    // A claim without a tenant is one whose making was never finished, or never begun.
    if (!present && !known) return new Problem('not_found');
    if (!known) {
      const scope = await platform.assume(tenantId, 'erasure');
      const entity = { type: 'tenant', id: tenantId };
      await ledger.appendOwn(platform, cause, { action: 'tenant.erasing', entity, old: { status: present?.body.status ?? 'erasing' } });
      if (present) await erasures.begin(platform, tenantId, { tier: present.body.tier, createdAt: present.body.createdAt });
      await stopForErasure(this.#services, scope, cause);
    }
    const kept = await erasures.read(platform, tenantId);
    if (!kept) throw new Error('the erasure has no record');
    if (kept.status === 'erased') await tenants.call(platform, tenantId);
    else await tenants.settleSoon(platform, tenantId);
    return kept;
  }

  async erasure(tenantId: TenantId): Promise<Kept | Problem> {
    const { erasures, platform } = this.#services;
    return (await erasures.read(platform, tenantId)) ?? new Problem('not_found');
  }

  async #turn(tenantId: TenantId, cause: Cause, action: string, next: (tenant: Tenant) => Tenant): Promise<Shown | Problem> {
    const { platform, tenants } = this.#services;
    const scope = await this.#assume(tenantId, action);
    if (scope instanceof Problem) return scope;
    const shown = await this.#write(scope, cause, action, () => undefined, next);
    if (!(shown instanceof Problem) && shown.stored && !isSettled(shown.stored.body)) await tenants.settleSoon(platform, tenantId);
    return shown;
  }

  /** Nothing is written to the ledger of a tenant that is none. */
  async #assume(tenantId: TenantId, reason: string): Promise<TenantScope | Problem> {
    const { platform, records, erasures } = this.#services;
    const present = changeable(await records.read(platform.observe(tenantId)));
    if (!(present instanceof Problem)) return platform.assume(tenantId, reason);
    return (await erasures.read(platform, tenantId)) ? new Problem('tenant_erased') : present;
  }

  async #write(
    scope: TenantScope,
    cause: Cause,
    action: string,
    precondition: Precondition,
    next: (tenant: Tenant) => Tenant | Problem,
  ): Promise<Shown | Problem> {
    const { ledger, tenants, records } = this.#services;
    let isSame = false;
    const written = await ledger.commit(scope, cause, async (partition) => {
      const stored = changeable(await partition.read(Tenants, tenantRecord));
      if (stored instanceof Problem) return stored;
      const refused = precondition(stored);
      if (refused) return refused;
      const body = next(stored.body);
      if (body instanceof Problem) return body;
      const changed = changes(stored.body, body);
      isSame = changed.length === 0;
      if (isSame) return new Problem('not_found');
      const pick = (tenant: Tenant) => {
        const shown = image(Tenant, tenant);
        return Object.fromEntries(changed.map((field) => [field, shown[field]]));
      };
      return {
        changes: [replace(Tenants, stored, body)],
        event: { action, entity: { type: 'tenant', id: scope.tenantId }, old: pick(stored.body), new: pick(body) },
        result: undefined,
      };
    });
    if (written instanceof Problem && !isSame) return written;
    const stored = await records.read(scope);
    return stored ? tenants.show(stored) : new Problem('not_found');
  }

  /** An address of the settings is compared as it stands, so it must be one: https, or this machine's own in development. */
  #faultsOf({ settings = {} }: TenantChange): Fault[] {
    return [...this.#faultsIn('redirectUris', settings.redirectUris), ...this.#faultsIn('cardKeyUrls', settings.cardKeyUrls)];
  }

  #faultsIn(name: string, addresses: readonly string[] = []): Fault[] {
    return addresses.flatMap((address, at) => {
      const url = new URL(address);
      const isLocal = this.#services.config.outboundLoopback && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
      const isSound =
        (url.protocol === 'https:' || isLocal) && url.hash === '' && !address.includes('#') && url.username === '' && url.password === '';
      return isSound ? [] : [{ pointer: `/settings/${name}/${at}`, message: 'not an https address without fragment and credentials' }];
    });
  }
}

function changes(before: Tenant, after: Tenant): (keyof Tenant)[] {
  // The keys of a record are those of its schema.
  const fields = Object.keys(after) as (keyof Tenant)[];
  return fields.filter((field) => JSON.stringify(sorted(before[field])) !== JSON.stringify(sorted(after[field])));
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** RFC 7396, one level deep: null takes a member out. */
function merged<Value>(
  present: Readonly<Record<string, Value>>,
  change: Readonly<Record<string, Value | null | undefined>>,
): Record<string, Value> {
  const entries = Object.entries({ ...present, ...change });
  return Object.fromEntries(entries.filter((entry): entry is [string, Value] => entry[1] !== null && entry[1] !== undefined));
}
