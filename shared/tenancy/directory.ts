// Which tenants there are: pages of ids in the order of their making, so that listing needs no query across tenants. The place of one that was
// erased stays empty, so that no other moves.
import * as z from 'zod';
import { DependencyError } from '../errors/problem.ts';
import { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';

const Page = z.strictObject({ ids: z.array(TenantId.nullable()) });
const Pages: PlatformKind<z.infer<typeof Page>> = { type: 'tenants', schema: Page };

/** 40 KB of ids a page at most. */
const pageSize = 1_000;
const tries = 20;

export class TenantDirectory {
  readonly #documents: PlatformDocuments;
  /** The page known to be the last one; wrong at worst by being too low. */
  #last = 0;

  constructor(documents: PlatformDocuments) {
    this.#documents = documents;
  }

  /** Enters a tenant. Safe to repeat. */
  async add(platform: PlatformScope, tenantId: TenantId): Promise<void> {
    for (let count = 0; count < tries; count++) {
      const page = await this.#documents.read(platform, Pages, String(this.#last));
      if (page?.body.ids.includes(tenantId)) return;
      if (page && page.body.ids.length >= pageSize) {
        this.#last += 1;
        continue;
      }
      const ids = [...(page?.body.ids ?? []), tenantId];
      const added = page
        ? await this.#documents.replace(platform, Pages, page, { ids })
        : await this.#documents.create(platform, Pages, String(this.#last), { ids });
      if (added) return;
    }
    throw new DependencyError('cosmos', 'too many tenants are being made at once');
  }

  /** Takes a tenant out. Safe to repeat. */
  async remove(platform: PlatformScope, tenantId: TenantId): Promise<void> {
    for (let number = 0, count = 0; count < tries; ) {
      const page = await this.#documents.read(platform, Pages, String(number));
      if (!page) return;
      const ids = page.body.ids.map((id) => (id === tenantId ? null : id));
      if (!page.body.ids.includes(tenantId)) number += 1;
      else if (await this.#documents.replace(platform, Pages, page, { ids })) return;
      else count += 1;
    }
    throw new DependencyError('cosmos', 'too many tenants are being made or erased at once');
  }

  /** Up to `limit` places from position `from`, oldest first. */
  async list(platform: PlatformScope, from: number, limit: number): Promise<(TenantId | null)[]> {
    const found: (TenantId | null)[] = [];
    let at = from;
    while (found.length < limit) {
      const page = await this.#documents.read(platform, Pages, String(Math.floor(at / pageSize)));
      const ids = page?.body.ids.slice(at % pageSize, (at % pageSize) + limit - found.length) ?? [];
      if (ids.length === 0) return found;
      found.push(...ids);
      at += ids.length;
    }
    return found;
  }
}
