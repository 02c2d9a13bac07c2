// Key Vault: one RSA key a tenant, and secrets under names that begin with the tenant (architecture 3). Failures are DependencyErrors.

import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import type { CryptographyClient, KeyClient, JsonWebKey as KeyVaultJsonWebKey, KeyVaultKey } from '@azure/keyvault-keys';
import type { SecretClient } from '@azure/keyvault-secrets';
import type { Config } from '../config/config.ts';
import { loadSdk } from '../config/load-sdk.ts';
import { plainLoopback } from '../config/loopback-transport.ts';
import { DependencyError } from '../errors/problem.ts';
import type { TenantId } from '../scope/ids.ts';
import { type CandidateScope, claimedBy, type PlatformScope, type TenantScope, tenantOf, verifyPlatform } from '../scope/scope.ts';

/** `conn`: credentials, `msg`: messaging, `app`: the tenant's own OAuth apps. */
export type SecretKind = 'conn' | 'msg' | 'app';

interface Clients {
  readonly secrets: SecretClient;
  readonly keys: KeyClient;
  crypto(keyId: string): CryptographyClient;
}

export interface SigningKeyVersion {
  readonly version: string;
  /** Milliseconds since the epoch; Key Vault counts in seconds. */
  readonly createdAt: number;
  readonly jwk: { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string };
}

const keyVersionText = /^[0-9a-f]{32}$/;
const wrapAlgorithm = 'RSA-OAEP-256';

export class Vault {
  readonly #config: Config;
  #clients: Promise<Clients> | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Makes the tenant's key if it has none. Safe to repeat. */
  async ensureTenantKey(scope: TenantScope): Promise<void> {
    const name = keyName(scope);
    await this.#call(async ({ keys }) => {
      const present = await absent(keys.getKey(name));
      if (!present) await keys.createRsaKey(name, { keySize: 2048, keyOps: ['wrapKey', 'unwrapKey'] });
    });
  }

  /** Wraps a data key under the tenant's current key, locally with its public half. `keyVersion` names the version that can unwrap it. */
  async wrap(scope: TenantScope, dataKey: Buffer): Promise<{ keyVersion: string; wrapped: Buffer }> {
    const key = await this.#call(({ keys }) => keys.getKey(keyName(scope)));
    const { version, jwk } = publicHalf(key);
    const wrapped = publicEncrypt(
      { key: createPublicKey({ key: jwk, format: 'jwk' }), oaepHash: 'sha256', padding: constants.RSA_PKCS1_OAEP_PADDING },
      dataKey,
    );
    return { keyVersion: version, wrapped };
  }

  /** Unwraps a data key in Key Vault, under a version of the tenant's own key. */
  async unwrap(scope: TenantScope, keyVersion: string, wrapped: Buffer): Promise<Buffer> {
    if (!keyVersionText.test(keyVersion)) throw new TypeError('not a version of a key');
    const keyId = `${this.#config.keyVaultUrl}/keys/${keyName(scope)}/${keyVersion}`;
    const { result } = await this.#call((clients) => clients.crypto(keyId).unwrapKey(wrapAlgorithm, wrapped));
    return Buffer.from(result);
  }

  /** Stores a new, immutable version of a secret and answers its version. */
  async writeSecret(scope: TenantScope, kind: SecretKind, name: string, value: string): Promise<string> {
    const secret = await this.#call(({ secrets }) => secrets.setSecret(secretName(scope, kind, name), value));
    const { version } = secret.properties;
    if (!version) throw new Error('Key Vault answered no version');
    return version;
  }

  /** The named version, or the latest; undefined when there is none. */
  async readSecret(scope: TenantScope, kind: SecretKind, name: string, version?: string): Promise<string | undefined> {
    const options = version === undefined ? {} : { version };
    const secret = await this.#call(({ secrets }) => absent(secrets.getSecret(secretName(scope, kind, name), options)));
    return secret?.value;
  }

  /** One version of the secret that a key id of the tenant's stands for, also for who only claims the tenant: messages are verified with it. */
  async readSigningSecret(candidate: CandidateScope | TenantScope, keyId: string, version: string): Promise<string | undefined> {
    const secret = nameOf(claimedBy(candidate), 'msg', signingSecret(keyId));
    return (await this.#call(({ secrets }) => absent(secrets.getSecret(secret, { version }))))?.value;
  }

  /** Takes a superseded version out of use. */
  async disableSecret(scope: TenantScope, kind: SecretKind, name: string, version: string): Promise<void> {
    await this.#call(({ secrets }) => secrets.updateSecretProperties(secretName(scope, kind, name), version, { enabled: false }));
  }

  /**
   * Deletes the tenant's key, all versions of it: nothing wrapped under it opens again, unless it is recovered before the second time, when Key
   * Vault destroys it for good. Both in milliseconds. Safe to repeat; undefined when there is no key and none to recover.
   */
  async destroyTenantKey(scope: TenantScope): Promise<{ deletedAt: number; recoverableUntil: number } | undefined> {
    const name = keyName(scope);
    const deleted = await this.#call(async ({ keys }) => {
      const begun = await absent(keys.beginDeleteKey(name));
      return begun?.getOperationState().result ?? (await absent(keys.getDeletedKey(name)));
    });
    const { deletedOn, scheduledPurgeDate } = deleted?.properties ?? {};
    return deletedOn && scheduledPurgeDate && { deletedAt: deletedOn.getTime(), recoverableUntil: scheduledPurgeDate.getTime() };
  }

  /** Deletes every secret of the tenant. Key Vault cannot list by name, so this goes through all there are. Safe to repeat. */
  async deleteSecrets(scope: TenantScope): Promise<void> {
    const prefix = `t--${tenantOf(scope)}--`;
    await this.#call(async ({ secrets }) => {
      for await (const { name } of secrets.listPropertiesOfSecrets())
        if (name.startsWith(prefix)) await absent(secrets.beginDeleteSecret(name));
    });
  }

  /** Makes a signing key of the platform's own (EC P-256) if it has none. Safe to repeat. */
  async ensurePlatformKey(platform: PlatformScope, name: string): Promise<void> {
    const key = platformName(platform, name);
    await this.#call(async ({ keys }) => {
      const present = await absent(keys.getKey(key));
      if (!present) await keys.createEcKey(key, { curve: 'P-256', keyOps: ['sign', 'verify'] });
    });
  }

  /** Makes a new version of it; those before it stay and verify on. */
  async rotatePlatformKey(platform: PlatformScope, name: string): Promise<void> {
    const key = platformName(platform, name);
    await this.#call(({ keys }) => keys.rotateKey(key));
  }

  /** All enabled versions of a signing key with their public halves, newest first; none when there is no such key. */
  async platformKeyVersions(platform: PlatformScope, name: string): Promise<readonly SigningKeyVersion[]> {
    const key = platformName(platform, name);
    return this.#call(async ({ keys }) => {
      const versions: SigningKeyVersion[] = [];
      for await (const { version, enabled, createdOn } of keys.listPropertiesOfKeyVersions(key)) {
        if (version === undefined || enabled === false || !createdOn) continue;
        versions.push({ version, createdAt: createdOn.getTime(), jwk: publicEc(await keys.getKey(key, { version })) });
      }
      return versions.sort((a, b) => b.createdAt - a.createdAt);
    });
  }

  /** Takes a version of it out of use: it signs nothing more and is no longer listed. Safe to repeat. */
  async retirePlatformKey(platform: PlatformScope, name: string, version: string): Promise<void> {
    const key = platformName(platform, name);
    await this.#call(({ keys }) => keys.updateKeyProperties(key, version, { enabled: false }));
  }

  /** An ES256 signature (RFC 7518 3.4: r and s, 32 bytes each) over the bytes, made in Key Vault under one version of a signing key. */
  async sign(platform: PlatformScope, name: string, version: string, bytes: Uint8Array): Promise<Buffer> {
    if (!keyVersionText.test(version)) throw new TypeError('not a version of a key');
    const keyId = `${this.#config.keyVaultUrl}/keys/${platformName(platform, name)}/${version}`;
    const digest = createHash('sha256').update(bytes).digest();
    const { result } = await this.#call((clients) => clients.crypto(keyId).sign('ES256', digest));
    return Buffer.from(result);
  }

  /** A secret of the platform's own. */
  async writePlatformSecret(platform: PlatformScope, name: string, value: string): Promise<void> {
    const secret = platformName(platform, name);
    await this.#call(({ secrets }) => secrets.setSecret(secret, value));
  }

  /** Its latest version; undefined when there is none. */
  async readPlatformSecret(platform: PlatformScope, name: string): Promise<string | undefined> {
    const secret = platformName(platform, name);
    return (await this.#call(({ secrets }) => absent(secrets.getSecret(secret))))?.value;
  }

  /** A cheap call that shows whether Key Vault answers at all. */
  async ping(): Promise<void> {
    await this.#call(({ secrets }) => absent(secrets.getSecret('p--ping')));
  }

  async #call<T>(work: (clients: Clients) => Promise<T>): Promise<T> {
    this.#clients ??= this.#open();
    try {
      return await work(await this.#clients);
    } catch (error) {
      const status = statusOf(error);
      if (error instanceof TypeError || (status !== undefined && status < 500 && status !== 429 && status !== 408)) throw error;
      throw new DependencyError('keyVault', `Key Vault did not answer (${status ?? 'no answer'})`, { cause: error });
    }
  }

  async #open(): Promise<Clients> {
    const { transport, keyVaultUrl } = this.#config;
    const { KeyClient, CryptographyClient } = await loadSdk(() => import('@azure/keyvault-keys'));
    const { SecretClient } = await loadSdk(() => import('@azure/keyvault-secrets'));
    const retryOptions = { maxRetries: 5, retryDelayInMs: 25, maxRetryDelayInMs: 1_000 };
    if (transport.kind === 'azure') {
      const credential = new (await loadSdk(() => import('@azure/identity'))).ManagedIdentityCredential();
      const options = { retryOptions };
      return {
        secrets: new SecretClient(keyVaultUrl, credential, options),
        keys: new KeyClient(keyVaultUrl, credential, options),
        crypto: (keyId) => new CryptographyClient(keyId, credential, options),
      };
    }
    const token = transport.keyVaultToken;
    const credential = { getToken: async () => ({ token, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) };
    const options = {
      retryOptions,
      disableChallengeResourceVerification: true,
      additionalPolicies: [{ policy: plainLoopback, position: 'perRetry' as const }],
    };
    const url = secure(keyVaultUrl);
    return {
      secrets: new SecretClient(url, credential, options),
      keys: new KeyClient(url, credential, options),
      crypto: (keyId) => new CryptographyClient(secure(keyId), credential, options),
    };
  }
}

function keyName(scope: TenantScope): string {
  return `t--${tenantOf(scope)}`;
}

function platformName(platform: PlatformScope, name: string): string {
  verifyPlatform(platform);
  return `p--${name}`;
}

/** Ids hold no `--`, so no name of one kind can be read as another's (architecture 3). */
function secretName(scope: TenantScope, kind: SecretKind, name: string): string {
  return nameOf(tenantOf(scope), kind, name);
}

/** What a key id's secret (kind `msg`) is called. Agent ids hold no `--`, so no agent's secret can have this name. */
export function signingSecret(keyId: string): string {
  return `signing--${keyId}`;
}

function nameOf(tenantId: TenantId, kind: SecretKind, name: string): string {
  return `t--${tenantId}--${kind}--${name}`;
}

/** What was asked for, or undefined where Key Vault says 404. */
async function absent<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

function publicHalf(key: KeyVaultKey): { version: string; jwk: { kty: string; n: string; e: string } } {
  const jwk: KeyVaultJsonWebKey | undefined = key.key;
  const { version } = key.properties;
  if (!version || !jwk?.n || !jwk.e) throw new Error('the tenant key is not an RSA key');
  return { version, jwk: { kty: 'RSA', n: Buffer.from(jwk.n).toString('base64url'), e: Buffer.from(jwk.e).toString('base64url') } };
}

function publicEc(key: KeyVaultKey): SigningKeyVersion['jwk'] {
  const { key: jwk } = key;
  if (!jwk?.x || !jwk.y || jwk.crv !== 'P-256') throw new Error('a signing key is not on P-256');
  return { kty: 'EC', crv: 'P-256', x: Buffer.from(jwk.x).toString('base64url'), y: Buffer.from(jwk.y).toString('base64url') };
}

function secure(url: string): string {
  return url.replace(/^http:/, 'https:');
}
