// The text of a refresh token: `fgr_{tenantId}_{family}_{seed}{turn}{crc32}`. All of a family share the seed; the turn is another one each time. Whoever
// shows the seed once held a token of the family, so an old token can be told from an invented one, which must not be able to end anything.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { randomName } from '../clock/clock.ts';

export interface RefreshText {
  readonly tenantId: string;
  readonly family: string;
  /** 160 bits; a secret. */
  readonly seed: string;
  /** Base64 SHA-256 of the seed, and of the whole text: all that is stored. */
  readonly seedSha256: string;
  readonly sha256: string;
}

const shape = /^fgr_([a-z0-9-]{3,40})_([a-z2-7]{16})_([a-z2-7]{32})[a-z2-7]{32}([0-9a-f]{8})$/;

/** The next refresh token of a family, or the first one of a new family. */
export function makeRefresh(
  tenantId: string,
  { family, seed }: Pick<RefreshText, 'family' | 'seed'> = { family: randomName(16), seed: randomName(32) },
): RefreshText & { readonly text: string } {
  const body = `fgr_${tenantId}_${family}_${seed}${randomName(32)}`;
  const text = body + checksum(body);
  return { tenantId, family, seed, seedSha256: digest(seed), sha256: digest(text), text };
}

/** The parts of a refresh token's text; undefined when it is not one. */
export function readRefresh(text: string): RefreshText | undefined {
  const [, tenantId, family, seed, crc] = shape.exec(text) ?? [];
  if (tenantId === undefined || family === undefined || seed === undefined || crc !== checksum(text.slice(0, -8))) return undefined;
  return { tenantId, family, seed, seedSha256: digest(seed), sha256: digest(text) };
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
