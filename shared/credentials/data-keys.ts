// A tenant's data keys: random 256-bit keys, stored wrapped under the tenant's key in Key Vault, opened there and kept in memory for minutes.
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { iso } from '../clock/clock.ts';
import { type TenantScope, tenantOf } from '../scope/scope.ts';
import { create, type DocumentKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Vault } from '../vault/vault.ts';

const WrappedKey = z.strictObject({ keyVersion: z.string(), wrapped: z.base64url(), createdAt: z.iso.datetime() });
const WrappedKeys: DocumentKind<z.infer<typeof WrappedKey>> = { container: 'control', type: 'data-key', schema: WrappedKey };

/** The version that new credentials are sealed under. */
const currentVersion = 1;
const keptMs = 10 * 60_000;

export interface DataKey {
  readonly version: number;
  readonly key: Buffer;
}

export class DataKeys {
  readonly #store: TenantStore;
  readonly #vault: Vault;
  /** Promises, so that many callers share one unwrap. */
  readonly #open = new LRUCache<string, Promise<DataKey | undefined>>({ max: 10_000, ttl: keptMs });

  constructor(store: TenantStore, vault: Vault) {
    this.#store = store;
    this.#vault = vault;
  }

  /** Makes the tenant's first data key if it has none. Safe to repeat. */
  async ensure(scope: TenantScope): Promise<void> {
    const partition = this.#store.of(scope);
    if (await partition.read(WrappedKeys, String(currentVersion))) return;
    const { keyVersion, wrapped } = await this.#vault.wrap(scope, randomBytes(32));
    // Whoever comes second finds the document there and leaves it: the key inside may be in use already.
    await partition.commit([
      create(WrappedKeys, String(currentVersion), { keyVersion, wrapped: wrapped.toString('base64url'), createdAt: iso() }),
    ]);
  }

  /** The key to seal with; undefined while the tenant is being made. */
  current(scope: TenantScope): Promise<DataKey | undefined> {
    return this.open(scope, currentVersion);
  }

  /** The key of this version; undefined when the tenant has none such. Throws a DependencyError when Key Vault or Cosmos stays away. */
  open(scope: TenantScope, version: number): Promise<DataKey | undefined> {
    const name = `${tenantOf(scope)} ${version}`;
    const known = this.#open.get(name);
    if (known) return known;
    const opening = this.#unwrap(scope, version);
    this.#open.set(name, opening);
    opening.then(
      (key) => key ?? this.#open.delete(name),
      () => this.#open.delete(name),
    );
    return opening;
  }

  async #unwrap(scope: TenantScope, version: number): Promise<DataKey | undefined> {
    const stored = await this.#store.of(scope).read(WrappedKeys, String(version));
    if (!stored) return undefined;
    const key = await this.#vault.unwrap(scope, stored.body.keyVersion, Buffer.from(stored.body.wrapped, 'base64url'));
    return { version, key };
  }
}
