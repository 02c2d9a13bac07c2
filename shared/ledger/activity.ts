// Which tenants' ledgers have grown lately: a note a tenant, so that the timers need not become a tenant to find that there is nothing to do.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import type { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';
import { log } from '../telemetry/log.ts';

const Note = z.strictObject({
  /** Something was written at this time or up to `noteMs` after it. */
  grewAt: z.iso.datetime(),
  checkedAt: z.iso.datetime().optional(),
  /** The first day that is not archived yet. */
  oldestDay: z.iso.date().optional(),
});
type Note = z.infer<typeof Note>;

const Notes: PlatformKind<Note> = { type: 'ledger-note', schema: Note };

/** One instance notes one tenant at most this often. */
const noteMs = 10 * 60_000;
const tries = 5;

export class LedgerActivity {
  readonly #documents: PlatformDocuments;
  readonly #platform: PlatformScope;
  readonly #noted = new LRUCache<string, number>({ max: 50_000 });

  constructor(documents: PlatformDocuments, platform: PlatformScope) {
    this.#documents = documents;
    this.#platform = platform;
  }

  /** Notes that the tenant's ledger grows. Answers at once: a note that is not made is made with the next event. */
  grows(tenantId: TenantId): void {
    const at = now();
    if (at - (this.#noted.get(tenantId) ?? Number.NEGATIVE_INFINITY) < noteMs) return;
    this.#noted.set(tenantId, at);
    this.#change(tenantId, (note) => ({ ...note, grewAt: iso(at) })).catch(() => {
      this.#noted.delete(tenantId);
      log.warn('the growth of a ledger was not noted', tenantId);
    });
  }

  /** Whether anything may have been written since the last checkpoint. */
  async hasGrown(tenantId: TenantId): Promise<boolean> {
    const note = await this.#documents.read(this.#platform, Notes, tenantId);
    if (!note) return false;
    const { grewAt, checkedAt } = note.body;
    return checkedAt === undefined || Date.parse(grewAt) + noteMs >= Date.parse(checkedAt);
  }

  /** A checkpoint has seen everything written before `at`. */
  async checked(tenantId: TenantId, at: string): Promise<void> {
    await this.#change(tenantId, (note) => ({ ...note, checkedAt: at }));
  }

  /** The first day that is not archived yet, as far as it is known. */
  async oldestDay(tenantId: TenantId): Promise<string | undefined> {
    const note = await this.#documents.read(this.#platform, Notes, tenantId);
    return note && (note.body.oldestDay ?? note.body.grewAt.slice(0, 10));
  }

  async archivedUpTo(tenantId: TenantId, oldestDay: string): Promise<void> {
    await this.#change(tenantId, (note) => ({ ...note, oldestDay }));
  }

  /** For a tenant that is erased. */
  async forget(tenantId: TenantId): Promise<void> {
    await this.#documents.remove(this.#platform, Notes, tenantId);
  }

  async #change(tenantId: TenantId, change: (note: Note) => Note): Promise<void> {
    for (let count = 0; count < tries; count++) {
      const note = await this.#documents.read(this.#platform, Notes, tenantId);
      // The first to note a tenant is who first writes: its oldest day is today.
      const first: Note = { grewAt: iso(), oldestDay: iso().slice(0, 10) };
      const changed = note
        ? await this.#documents.replace(this.#platform, Notes, note, change(note.body))
        : await this.#documents.create(this.#platform, Notes, tenantId, change(first));
      if (changed) return;
    }
  }
}
