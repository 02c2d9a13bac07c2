// Signing of envelopes. The control plane signs for one recipient, whose key opens nothing else; agents only ever verify (H-04).
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { canonical } from './canonical.ts';

/** One recipient's key of one key id. */
export interface VerificationKey {
  readonly keyId: string;
  readonly key: Buffer;
}

/** HKDF-SHA-256 (RFC 5869) of the tenant's messaging secret, bound to tenant, recipient and key id. */
export function deriveKey(secret: Buffer, tenantId: string, recipient: string, keyId: string): VerificationKey {
  const info = `flowgrid/v1|${tenantId}|${recipient}|${keyId}`;
  return { keyId, key: Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 32)) };
}

/** `v1.{keyId}.{base64url HMAC-SHA-256}` over the RFC 8785 form of the envelope without its signature. */
export function sign(unsigned: object, key: VerificationKey): string {
  return signText(canonical(unsigned), key);
}

function signText(text: string, { keyId, key }: VerificationKey): string {
  return `v1.${keyId}.${createHmac('sha256', prepared(key)).update(text).digest('base64url')}`;
}

/** Keys as OpenSSL holds them: giving it the bytes each time takes longer than the HMAC of a kilobyte. */
const preparedKeys = new WeakMap<Buffer, KeyObject>();

function prepared(key: Buffer): KeyObject {
  const known = preparedKeys.get(key);
  if (known) return known;
  const made = createSecretKey(key);
  preparedKeys.set(key, made);
  return made;
}

/** The key id a signature names; undefined when it is not one of ours. */
export function signedUnder(signature: string): string | undefined {
  return /^v1\.([a-z0-9]{1,16})\.[\w-]{43}$/.exec(signature)?.[1];
}

/** Constant-time check of the whole signature: base64url has more than one text for the same bytes, a signature has one. */
export function isSignedBy(unsigned: object, signature: string, key: VerificationKey): boolean {
  return isSignatureOf(canonical(unsigned), signature, key);
}

/** The same of what is in its canonical form already. */
export function isSignatureOf(text: string, signature: string, key: VerificationKey): boolean {
  const given = Buffer.from(signature);
  const right = Buffer.from(signText(text, key));
  return given.length === right.length && timingSafeEqual(given, right);
}
