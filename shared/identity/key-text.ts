// The text of an API key: `fg_{tenantId}_{keyId}_{secret}{crc32}`. It names its partition, so checking it is one point read; the checksum lets
// scanners tell a leaked key from a chance string, and lets us refuse a mistyped one without a read.
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { randomName } from '../clock/clock.ts';

export interface KeyText {
  readonly tenantId: string;
  readonly keyId: string;
  /** Base64 SHA-256 of the whole text. */
  readonly sha256: string;
}

const shape = /^fg_([a-z0-9-]{3,40})_([a-z2-7]{12})_([a-z2-7]{52})([0-9a-f]{8})$/;

export function isKeyId(text: string): boolean {
  return /^[a-z2-7]{12}$/.test(text);
}

/** A new key of a tenant (or of `platform`): the text to show once, and what to keep of it. */
export function makeKey(tenantId: string): KeyText & { readonly text: string } {
  const keyId = randomName(12);
  const body = `fg_${tenantId}_${keyId}_${randomName(52)}`;
  const text = body + checksum(body);
  return { tenantId, keyId, sha256: digest(text), text };
}

/** The parts of a key's text; undefined when it is not one. */
export function readKey(text: string): KeyText | undefined {
  const match = shape.exec(text);
  const [, tenantId, keyId, , crc] = match ?? [];
  if (tenantId === undefined || keyId === undefined || crc !== checksum(text.slice(0, -8))) return undefined;
  return { tenantId, keyId, sha256: digest(text) };
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/** All that is ever stored of a key. */
export function digest(text: string): string {
  return hash('sha256', text, 'base64');
}
