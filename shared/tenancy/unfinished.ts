// Tenants that something is still to be done for, so that nothing is forgotten when a message is lost: one small document, not a look at all tenants.
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';

const Entry = z.strictObject({ tenantId: TenantId, dueAt: z.iso.datetime() });
const List = z.strictObject({ entries: z.array(Entry) });
const Lists: PlatformKind<z.infer<typeof List>> = { type: 'unfinished', schema: List };

/** 90 bytes each, of the 2 MB a document may have. */
const maxEntries = 10_000;
const tries = 30;

export class Unfinished {
  readonly #documents: PlatformDocuments;
  readonly #name: 'tenants' | 'certificates';

  constructor(documents: PlatformDocuments, name: 'tenants' | 'certificates') {
    this.#documents = documents;
    this.#name = name;
  }

  /** To be looked at from `dueAt` on, in milliseconds. Always writes, so that whoever is about to leave the list finds it changed. */
  enter(platform: PlatformScope, tenantId: TenantId, dueAt: number): Promise<void> {
    return this.#change(platform, async (entries) => {
      if (entries.length >= maxEntries) throw new DependencyError('cosmos', `the list of unfinished ${this.#name} is full`);
      return [...entries.filter((entry) => entry.tenantId !== tenantId), { tenantId, dueAt: iso(dueAt) }];
    });
  }

  /** Takes a tenant off if nothing is left to do, which is asked behind the reading of the list: what is begun meanwhile stays. */
  leave(platform: PlatformScope, tenantId: TenantId, isFinished: () => Promise<boolean>): Promise<void> {
    return this.#change(platform, async (entries) => {
      const others = entries.filter((entry) => entry.tenantId !== tenantId);
      return others.length < entries.length && (await isFinished()) ? others : undefined;
    });
  }

  /** Up to `limit` tenants that should have been finished by now, the longest overdue first. */
  async due(platform: PlatformScope, limit: number): Promise<TenantId[]> {
    const at = iso(now());
    const entries = (await this.#documents.read(platform, Lists, this.#name))?.body.entries ?? [];
    const due = entries.filter(({ dueAt }) => dueAt <= at).sort((a, b) => (a.dueAt < b.dueAt ? -1 : 1));
    return due.slice(0, limit).map(({ tenantId }) => tenantId);
  }

  async #change(
    platform: PlatformScope,
    next: (entries: z.infer<typeof Entry>[]) => Promise<z.infer<typeof Entry>[] | undefined>,
  ): Promise<void> {
    for (let count = 0; count < tries; count++) {
      const stored = await this.#documents.read(platform, Lists, this.#name);
      const entries = await next(stored?.body.entries ?? []);
      if (!entries) return;
      const done = stored
        ? await this.#documents.replace(platform, Lists, stored, { entries })
        : await this.#documents.create(platform, Lists, this.#name, { entries });
      if (done) return;
    }
    throw new DependencyError('cosmos', 'too many tenants change at once');
  }
}
