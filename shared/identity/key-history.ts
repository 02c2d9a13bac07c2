// What is kept of keys beside their records: when each was last used, to the hour, and how those that are gone came to their end.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import type { CandidateScope, TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind, put } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';

const KeyUses: DocumentKind<{ usedAt: string }> = {
  container: 'work',
  type: 'key-use',
  bucket: 'key',
  schema: z.strictObject({ usedAt: z.iso.datetime() }),
};

export type KeyEnd = 'revoked' | 'rotated';

const KeyEnds: DocumentKind<{ how: KeyEnd; at: string }> = {
  container: 'work',
  type: 'key-end',
  bucket: 'key',
  schema: z.strictObject({ how: z.enum(['revoked', 'rotated']), at: z.iso.datetime() }),
  proof: true,
};

const hourMs = 3_600_000;
const daySeconds = 86_400;
const useKeptSeconds = 400 * daySeconds;
const endKeptSeconds = 90 * daySeconds;
/** Uses being written at one time; a use that finds no room is noted by the next. */
const writesAtOnce = 50;

export class KeyHistory {
  readonly #store: TenantStore;
  /** Keys whose use this process has noted within the hour. */
  readonly #noted = new LRUCache<string, true>({ max: 20_000, ttl: hourMs });
  readonly #writes = new Set<Promise<void>>();
  readonly #ends = new LRUCache<string, { readonly how: KeyEnd | undefined }>({ max: 5_000 });

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** Notes that a key was used, behind the answer, at most once an hour. Never fails: a use that could not be noted is not. */
  used(scope: TenantScope, keyId: string): void {
    const name = `${scope.tenantId} ${keyId}`;
    if (this.#noted.has(name) || this.#writes.size >= writesAtOnce) return;
    this.#noted.set(name, true);
    const use = { usedAt: iso(Math.floor(now() / hourMs) * hourMs) };
    const write = this.#store
      .of(scope)
      .commit([put(KeyUses, keyId, use, useKeptSeconds)])
      .then(() => undefined)
      .catch(() => log.info('the use of a key was not noted', scope.tenantId))
      .finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  /** When each of these keys was last used; undefined for one that was not for 400 days. A page of keys at most: each is a point read. */
  async lastUses(scope: TenantScope, keyIds: readonly string[]): Promise<(string | undefined)[]> {
    const partition = this.#store.of(scope);
    const uses = await Promise.all(keyIds.map((keyId) => partition.read(KeyUses, keyId)));
    return uses.map((use) => use?.body.usedAt);
  }

  /** Keeps for 90 days how keys came to their end. They are out of force whether or not this can be kept, so it does not fail. */
  async ended(scope: TenantScope, keyIds: readonly string[], how: KeyEnd): Promise<void> {
    const end = { how, at: iso() };
    for (let at = 0; at < keyIds.length; at += 100) {
      const changes = keyIds.slice(at, at + 100).map((keyId) => create(KeyEnds, keyId, end, endKeptSeconds));
      await this.#store
        .of(scope)
        .commit(changes)
        .catch(() => log.info('the end of a key was not noted', scope.tenantId));
    }
  }

  /** How the key came to its end that a credential names; undefined when there was none. Ends do not change, so they are remembered. */
  async endOf(candidate: CandidateScope, keyId: string): Promise<KeyEnd | undefined> {
    const end = await this.#store.verify(candidate, KeyEnds, keyId);
    this.#ends.set(`${candidate.tenantId} ${keyId}`, { how: end?.how });
    return end?.how;
  }

  /** The same from memory alone. */
  rememberedEndOf(candidate: CandidateScope, keyId: string): KeyEnd | undefined {
    return this.#ends.get(`${candidate.tenantId} ${keyId}`)?.how;
  }

  /** Resolves once every use noted so far is written or lost. */
  async flush(): Promise<void> {
    await Promise.all(this.#writes);
  }
}
