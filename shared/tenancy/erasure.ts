// What is kept of a tenant that was told to go: a record of the platform's own of what was destroyed when, and until when it could be brought back.
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import { tierNames } from '../quota/tiers.ts';
import { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { Stored } from '../storage/documents.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';
import type { TenantView } from './view.ts';

/** In the order in which they go: without the key the rest opens no more. */
export const erasureSteps = ['key', 'secrets', 'queues', 'memberships', 'blobs', 'work', 'ledger', 'control', 'directory'] as const;

const instant = z.iso.datetime();

export const Erasure = z.strictObject({
  tenantId: TenantId,
  status: z.enum(['erasing', 'erased']),
  requestedAt: instant,
  deleted: z.array(z.strictObject({ what: z.enum(erasureSteps), at: instant })),
  /** Key Vault keeps what is deleted so long; known once the key and the secrets are. */
  keyRecoverableUntil: instant.nullable(),
  /** The database's backups go back so far; known once everything is deleted, also what a retention policy of the archive holds for a while. */
  backupsUntil: instant.nullable(),
  /** A compact JWS, once both times have passed. */
  certificate: z.string().optional(),
});
export type Erasure = z.infer<typeof Erasure>;

const Kept = z.strictObject({
  ...Erasure.shape,
  /** What goes on being shown of the tenant. */
  tenant: z.strictObject({ tier: z.enum(tierNames), createdAt: instant }),
});
export type Kept = z.infer<typeof Kept>;

const Erasures: PlatformKind<Kept> = { type: 'erasure', schema: Kept };
const tries = 20;

export class ErasureRecords {
  readonly #documents: PlatformDocuments;

  constructor(documents: PlatformDocuments) {
    this.#documents = documents;
  }

  async read(platform: PlatformScope, tenantId: TenantId): Promise<Kept | undefined> {
    return (await this.#documents.read(platform, Erasures, tenantId))?.body;
  }

  /** The record, made by whoever comes first. */
  async begin(platform: PlatformScope, tenantId: TenantId, tenant: Kept['tenant']): Promise<Kept> {
    const status = 'erasing';
    const begun: Kept = { tenantId, status, requestedAt: iso(), deleted: [], keyRecoverableUntil: null, backupsUntil: null, tenant };
    await this.#documents.create(platform, Erasures, tenantId, begun);
    return (await this.#require(platform, tenantId)).body;
  }

  /** Changes the record as it is at that moment. */
  async change(platform: PlatformScope, tenantId: TenantId, next: (kept: Kept) => Kept): Promise<Kept> {
    for (let count = 0; count < tries; count++) {
      const stored = await this.#require(platform, tenantId);
      const body = next(stored.body);
      if (await this.#documents.replace(platform, Erasures, stored, body)) return body;
    }
    throw new DependencyError('cosmos', 'too many work at one erasure');
  }

  async #require(platform: PlatformScope, tenantId: TenantId): Promise<Stored<Kept>> {
    const stored = await this.#documents.read(platform, Erasures, tenantId);
    if (!stored) throw new Error('the erasure has no record');
    return stored;
  }
}

export function viewOfErasure({ tenant: _, ...erasure }: Kept): Erasure {
  return erasure;
}

/** What is shown of a tenant that is gone. Its name went with it. */
export function viewOfErased({ tenantId, tenant }: Kept): TenantView {
  const { tier, createdAt } = tenant;
  const gone = { quotas: {}, settings: { redirectUris: [] }, flags: {}, provisioning: [] };
  return { id: tenantId, name: tenantId, tier, status: 'erased', ...gone, createdAt };
}

/** When the last copy is gone, in milliseconds; undefined while that is not known. */
export function goneAt({ keyRecoverableUntil, backupsUntil }: Erasure): number | undefined {
  if (keyRecoverableUntil === null || backupsUntil === null) return undefined;
  return Math.max(Date.parse(keyRecoverableUntil), Date.parse(backupsUntil));
}

/** Whether nobody can bring anything back any more. */
export function isGone(erasure: Erasure): boolean {
  return now() >= (goneAt(erasure) ?? Number.POSITIVE_INFINITY);
}
