// What the Key Vault suites run against: a vault of the twin, or the one named by FLOWGRID_TEST_KEYVAULT_URL and _TOKEN.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccessToken, TokenCredential } from '@azure/core-auth';
import { createDefaultHttpClient, type HttpClient, RestError } from '@azure/core-rest-pipeline';
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import { SecretClient } from '@azure/keyvault-secrets';
import { type Fault, Faults } from '../../../local/faults.ts';
import { startKeyVault } from '../../../local/key-vault/start.ts';

const { FLOWGRID_TEST_KEYVAULT_URL: realUrl, FLOWGRID_TEST_KEYVAULT_TOKEN: realToken } = process.env;

/** Whether the suites run against a vault that is not ours: it is slower, and knows no faults. */
export const real = realUrl !== undefined;

export interface Vault {
  /** As the SDK is given it: https. */
  readonly url: string;
  readonly token: string;
  readonly secrets: SecretClient;
  readonly keys: KeyClient;
  crypto(keyId: string): CryptographyClient;
  setFaults(faults: Fault[]): void;
  stop(): Promise<void>;
}

export async function openVault(options: { limits?: boolean; purgeProtection?: boolean } = {}): Promise<Vault> {
  if (realUrl !== undefined) return vaultAt(realUrl, realToken ?? '');
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-key-vault-'));
  const faults = new Faults();
  const token = randomBytes(16).toString('hex');
  const service = await startKeyVault({ folder, port: 0, durable: false, faults, token, ...options });
  const stop = async () => {
    await service.stop();
    await rm(folder, { recursive: true });
  };
  return { ...vaultAt(`https://127.0.0.1:${service.port}`, token), setFaults: (list) => faults.set(list), stop };
}

export function vaultAt(url: string, token: string): Vault {
  const options = { disableChallengeResourceVerification: true, httpClient: overHttp(), retryOptions: { maxRetries: 0 } };
  const credential = staticCredential(token);
  return {
    url,
    token,
    secrets: new SecretClient(url, credential, options),
    keys: new KeyClient(url, credential, options),
    crypto: (keyId) => new CryptographyClient(keyId, credential, options),
    setFaults: () => {},
    stop: async () => {},
  };
}

/** The SDK speaks https only; to a loopback address this speaks http in its place. The request stays as it was: the SDK checks it again. */
function overHttp(): HttpClient {
  const client = createDefaultHttpClient();
  return {
    sendRequest: (request) => {
      if (!request.url.startsWith('https://127.0.0.1:')) return client.sendRequest(request);
      return client.sendRequest({ ...request, url: request.url.replace('https:', 'http:'), allowInsecureConnection: true });
    },
  };
}

function staticCredential(token: string): TokenCredential {
  return { getToken: async (): Promise<AccessToken> => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
}

/** A name no other run uses. */
export function unique(name: string): string {
  return `${name}-${randomBytes(6).toString('hex')}`;
}

/** Status and code of the refusal that `work` must meet. */
export async function refusalOf(
  work: Promise<unknown>,
): Promise<{ status: number | undefined; code: string | undefined; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof RestError) return { status: error.statusCode, code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it was not refused');
}

export async function listAll<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of pages) all.push(item);
  return all;
}
