// The keys of one data folder: made once, the same on every start.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeKey } from '../../shared/identity/key-text.ts';

export interface Secrets {
  readonly cosmosKey: string;
  readonly serviceBusKey: string;
  readonly keyVaultToken: string;
  readonly blobKey: string;
  readonly upstreamToken: string;
  readonly idpSecret: string;
  readonly platformKey: string;
  /** The demo tenants' owner keys by tenant, as far as they have been made. */
  tenants: Record<string, string>;
}

export function readSecrets(folder: string): Secrets {
  const known = readKnown(join(folder, 'secrets.json'));
  const secrets: Secrets = {
    cosmosKey: randomBytes(64).toString('base64'),
    serviceBusKey: randomBytes(32).toString('base64'),
    keyVaultToken: randomBytes(24).toString('hex'),
    blobKey: randomBytes(64).toString('base64'),
    upstreamToken: `secret_${randomBytes(24).toString('hex')}`,
    idpSecret: randomBytes(32).toString('base64url'),
    platformKey: makeKey('platform').text,
    tenants: {},
    // What a folder of an earlier version has no secret for gets one now.
    ...known,
  };
  if (Object.keys(known).length < Object.keys(secrets).length) writeSecrets(folder, secrets);
  return secrets;
}

function readKnown(file: string): Partial<Secrets> {
  try {
    // Written by us alone, so its shape is known.
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Secrets>;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

export function writeSecrets(folder: string, secrets: Secrets): void {
  writeFileSync(join(folder, 'secrets.json'), `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
}

/** What the platform key setting holds. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
