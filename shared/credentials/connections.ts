// A tenant's connections: which integrations it has credentials for, and the sealed credentials themselves.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Catalog } from '../catalog/catalog.ts';
import { iso, now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type TenantScope, tenantOf } from '../scope/scope.ts';
import { put, type RememberedKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';
import type { Vault } from '../vault/vault.ts';
import { Credential } from './credential.ts';
import type { DataKeys } from './data-keys.ts';
import { open, seal, sealedUnder } from './seal.ts';

const Connection = z.strictObject({
  integration: z.string(),
  /** Counts the credentials stored so far; part of what the sealed text is bound to. */
  revision: z.int(),
  /** The Key Vault secret version that holds the sealed credential. */
  secretVersion: z.string(),
  createdAt: z.iso.datetime(),
  encryptedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  scopes: z.array(z.string()).optional(),
});
type Connection = z.infer<typeof Connection>;

export const Connections: RememberedKind<Connection> = { container: 'control', type: 'connection', schema: Connection, remembered: true };

export interface IntegrationView {
  readonly name: string;
  readonly category: string;
  readonly hasCredentials: boolean;
  readonly createdAt?: string;
  readonly expiresAt?: string | null;
  readonly status: 'not_connected' | 'connected' | 'expiring' | 'needs_reconnect';
  readonly scopes?: readonly string[];
}

/** Inside this time before its end a credential reads as expiring. */
const expiringMs = 10 * 60_000;

/** What Key Vault takes in a secret (Key Vault, About secrets: 25 KB). */
const maxSealedLength = 25_000;

interface Services {
  readonly store: TenantStore;
  readonly vault: Vault;
  readonly dataKeys: DataKeys;
  readonly ledger: Ledger;
  readonly catalog: Catalog;
}

export class ConnectionService {
  readonly #services: Services;
  /** Opened credentials by the secret version that holds them: a version never changes. */
  readonly #opened = new LRUCache<string, Credential>({ max: 5_000, ttl: 5 * 60_000 });

  constructor(services: Services) {
    this.#services = services;
  }

  /** Seals and stores a credential. Until the connection names the new version the old one is in force, so a failure on the way changes nothing. */
  async store(
    scope: TenantScope,
    cause: Cause,
    integration: string,
    credential: Credential,
  ): Promise<{ encryptedAt: string; expiresAt: string | null } | Problem> {
    const { vault, dataKeys, ledger, catalog, store } = this.#services;
    if (!catalog.providers.has(integration)) return new Problem('integration_not_found');
    const key = await dataKeys.current(scope);
    if (!key) return new Problem('vault_unavailable', { detail: 'The tenant is still being made.', headers: { 'Retry-After': '1' } });

    const before = await store.of(scope).read(Connections, integration);
    const revision = (before?.body.revision ?? 0) + 1;
    const sealed = seal(scope, { integration, field: 'credential', revision }, key, JSON.stringify(credential));
    if (sealed.length > maxSealedLength) return new Problem('payload_too_large', { detail: 'A credential may have about 18 KB in all.' });
    const secretVersion = await vault.writeSecret(scope, 'conn', integration, sealed);
    const encryptedAt = iso();
    const expiresIn = 'expiresIn' in credential ? credential.expiresIn : undefined;
    const connection: Connection = {
      integration,
      revision,
      secretVersion,
      createdAt: before?.body.createdAt ?? encryptedAt,
      encryptedAt,
      expiresAt: expiresIn ? iso(now() + expiresIn * 1_000) : null,
      ...('scopes' in credential && credential.scopes && { scopes: credential.scopes }),
    };

    const stored = await ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Connections, integration);
      // Somebody stored another one meanwhile: theirs is the later, ours was sealed for a place that is taken.
      if ((present?.body.revision ?? 0) !== revision - 1)
        return new Problem('precondition_failed', { detail: 'Another credential was stored at the same time.' });
      return {
        changes: [put(Connections, integration, connection)],
        event: {
          action: 'credential.stored',
          entity: { type: 'integration', id: integration },
          new: { revision, form: formOf(credential), expiresAt: connection.expiresAt },
        },
        result: { encryptedAt, expiresAt: connection.expiresAt },
      };
    });
    const superseded = stored instanceof Problem ? secretVersion : before?.body.secretVersion;
    if (superseded !== undefined) await this.#disable(scope, integration, superseded);
    return stored;
  }

  /** The tenant's credential for an integration, opened. */
  async load(scope: TenantScope, integration: string): Promise<Credential | Problem> {
    const connection = await this.#services.store.remembered(scope, Connections, integration);
    if (!connection) return new Problem('credentials_not_found');
    const { revision, secretVersion } = connection;
    const name = `${nameOf(scope, integration)} ${secretVersion}`;
    const opened = this.#opened.get(name);
    if (opened) return opened;

    const sealed = await this.#services.vault.readSecret(scope, 'conn', integration, secretVersion);
    const version = sealed === undefined ? undefined : sealedUnder(sealed);
    const key = version === undefined ? undefined : await this.#services.dataKeys.open(scope, version);
    const plain = sealed === undefined || !key ? undefined : open(scope, { integration, field: 'credential', revision }, key, sealed);
    if (plain === undefined) return new Problem('decrypt_failed');
    const credential = Credential.parse(JSON.parse(plain));
    this.#opened.set(name, credential);
    return credential;
  }

  /** Every integration the tenant could use, connected or not. */
  async list(scope: TenantScope): Promise<IntegrationView[]> {
    const { catalog, store } = this.#services;
    const connections = new Map((await store.of(scope).list(Connections)).map(({ body }) => [body.integration, body]));
    return [...catalog.providers.values()].map(({ id, category }) => {
      const connection = connections.get(id);
      if (!connection) return { name: id, category, hasCredentials: false, status: 'not_connected' };
      const { createdAt, expiresAt, scopes } = connection;
      return { name: id, category, hasCredentials: true, createdAt, expiresAt, status: statusOf(expiresAt), ...(scopes && { scopes }) };
    });
  }

  async #disable(scope: TenantScope, integration: string, secretVersion: string): Promise<void> {
    try {
      await this.#services.vault.disableSecret(scope, 'conn', integration, secretVersion);
    } catch {
      // Nothing refers to it any more; it stays readable in the vault, and only there.
      log.warn('a superseded credential could not be disabled', scope.tenantId, { integration });
    }
  }
}

function nameOf(scope: TenantScope, integration: string): string {
  return `${tenantOf(scope)} ${integration}`;
}

function formOf(credential: Credential): string {
  if ('accessToken' in credential) return 'oauth';
  if ('apiKey' in credential) return 'api-key';
  return 'password' in credential ? 'basic' : 'aws';
}

function statusOf(expiresAt: string | null): IntegrationView['status'] {
  if (expiresAt === null) return 'connected';
  const left = Date.parse(expiresAt) - now();
  if (left <= 0) return 'needs_reconnect';
  return left < expiringMs ? 'expiring' : 'connected';
}
