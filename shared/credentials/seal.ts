// Sealing: AES-256-GCM under the tenant's data key. Where the text belongs is authenticated with it, so moved elsewhere it does not open.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type TenantScope, tenantOf } from '../scope/scope.ts';
import type { DataKey } from './data-keys.ts';

/** Where a sealed text belongs. `revision` counts the connection's credentials. */
export interface Place {
  readonly integration: string;
  readonly field: string;
  readonly revision: number;
}

const algorithm = 'aes-256-gcm';
const scheme = 'fg1';

function additionalData(scope: TenantScope, place: Place, version: number): Buffer {
  return Buffer.from(JSON.stringify([scheme, tenantOf(scope), place.integration, place.field, place.revision, version]));
}

/** `fg1.{data key version}.{nonce}.{ciphertext and tag}`, the last two base64url. */
export function seal(scope: TenantScope, place: Place, { key, version }: DataKey, plain: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(additionalData(scope, place, version));
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return [scheme, version, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
}

/** The data key version a sealed text names; undefined when it is not one. */
export function sealedUnder(text: string): number | undefined {
  const match = /^fg1\.([1-9][0-9]{0,8})\.[\w-]{16}\.[\w-]{22,}$/.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** The plain text; undefined when the text was changed, moved or sealed under another key. */
export function open(scope: TenantScope, place: Place, { key, version }: DataKey, text: string): string | undefined {
  if (sealedUnder(text) !== version) return undefined;
  const [, , nonce = '', body = ''] = text.split('.');
  const sealed = Buffer.from(body, 'base64url');
  const decipher = createDecipheriv(algorithm, key, Buffer.from(nonce, 'base64url'), { authTagLength: 16 });
  decipher.setAAD(additionalData(scope, place, version)).setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
