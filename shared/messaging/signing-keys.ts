// A tenant's messaging secret, from which every recipient's key is derived.
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { iso } from '../clock/clock.ts';
import { type TenantScope, tenantOf } from '../scope/scope.ts';
import { create, type DocumentKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Vault } from '../vault/vault.ts';
import { deriveKey, type VerificationKey } from './signature.ts';

/** Which version of the secret a key id stands for: the first to be entered, however many were made at once. */
const SecretVersion = z.strictObject({ version: z.string(), createdAt: z.iso.datetime() });
const SecretVersions: DocumentKind<z.infer<typeof SecretVersion>> = {
  container: 'control',
  type: 'messaging-secret',
  schema: SecretVersion,
};

/** The key id new messages are signed under. */
const currentKeyId = 'k1';
const keptMs = 10 * 60_000;

export class SigningKeys {
  readonly #store: TenantStore;
  readonly #vault: Vault;
  /** Promises, so that many callers share one read. */
  readonly #secrets = new LRUCache<string, Promise<Buffer | undefined>>({ max: 10_000, ttl: keptMs });

  constructor(store: TenantStore, vault: Vault) {
    this.#store = store;
    this.#vault = vault;
  }

  /** Makes the tenant's messaging secret if it has none. Safe to repeat, also at once: the first one entered stays. */
  async ensure(scope: TenantScope): Promise<void> {
    const partition = this.#store.of(scope);
    if (await partition.read(SecretVersions, currentKeyId)) return;
    const version = await this.#vault.writeSecret(scope, 'msg', secretName(currentKeyId), randomBytes(32).toString('base64url'));
    await partition.commit([create(SecretVersions, currentKeyId, { version, createdAt: iso() })]);
  }

  /** The key of one recipient: an agent id or `orchestrator`. Undefined while the tenant is being made. */
  async of(scope: TenantScope, recipient: string): Promise<VerificationKey | undefined> {
    const secret = await this.#secret(scope);
    return secret && deriveKey(secret, scope.tenantId, recipient, currentKeyId);
  }

  #secret(scope: TenantScope): Promise<Buffer | undefined> {
    const known = this.#secrets.get(tenantOf(scope));
    if (known) return known;
    const reading = this.#read(scope);
    this.#secrets.set(scope.tenantId, reading);
    reading.then(
      (secret) => secret ?? this.#secrets.delete(scope.tenantId),
      () => this.#secrets.delete(scope.tenantId),
    );
    return reading;
  }

  async #read(scope: TenantScope): Promise<Buffer | undefined> {
    const entered = await this.#store.of(scope).read(SecretVersions, currentKeyId);
    if (!entered) return undefined;
    const text = await this.#vault.readSecret(scope, 'msg', secretName(currentKeyId), entered.body.version);
    return text === undefined ? undefined : Buffer.from(text, 'base64url');
  }
}

/** Agent ids hold no `--`, so no agent's secret can have this name. */
function secretName(keyId: string): string {
  return `signing--${keyId}`;
}
