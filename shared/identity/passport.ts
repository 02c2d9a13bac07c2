// The passport (seed 003): who a call onward is made for, told to its one recipient in a form that the recipient alone can check (docs/decisions/008).
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { VerificationKey } from '../messaging/signature.ts';
import { readClaims, readCompact } from './compact.ts';

/** The header it travels in. */
export const passportHeader = 'X-FlowGrid-Passport';
const type = 'flowgrid-passport+jwt';
const seconds = 60;
/** How far the clock of the control plane may be ahead of the recipient's, in seconds. */
const skewSeconds = 30;

const Claims = z.strictObject({
  aud: z.string(),
  sub: z.string(),
  email: z.string().optional(),
  groups: z.array(z.string()),
  permissions: z.array(z.string()),
  tier: z.string(),
  tenant: z.string(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
});

/** Whom a passport speaks of. */
export interface Bearer {
  readonly sub: string;
  readonly email?: string;
  readonly groups: readonly string[];
  /** Scopes. */
  readonly permissions: readonly string[];
  readonly tier: string;
  readonly tenant: string;
}

/** Whom it is for: an agent's id, or `integration/` and the name of one of the tenant's own upstreams. */
export interface Audience {
  readonly tenant: string;
  readonly recipient: string;
}

/**
 * A compact JWS (HS256) that lasts 60 s. `key` is the recipient's verification key, as messages to it are signed with; passports are signed with a key
 * derived from that one, so that neither can ever stand for the other. `at` is now, in milliseconds.
 */
export function makePassport(bearer: Bearer, recipient: string, { jti, at }: { jti: string; at: number }, key: VerificationKey): string {
  const { sub, email, groups, permissions, tier, tenant } = bearer;
  const iat = Math.floor(at / 1_000);
  const claims = {
    aud: recipient,
    sub,
    ...(email !== undefined && { email }),
    groups,
    permissions,
    tier,
    tenant,
    iat,
    exp: iat + seconds,
    jti,
  };
  const input = `${encode({ alg: 'HS256', typ: type, kid: key.keyId })}.${encode(claims)}`;
  return `${input}.${mac(input, key).toString('base64url')}`;
}

/** Whom a passport speaks of, if it was made for this recipient of this tenant and is in force; undefined for anything else. */
export function verifyPassport(
  text: string,
  { tenant, recipient }: Audience,
  keys: readonly VerificationKey[],
  at: number,
): Bearer | undefined {
  const compact = readCompact(text);
  if (!compact) return undefined;
  const { alg, typ, kid, ...others } = compact.header;
  const key = keys.find(({ keyId }) => keyId === kid);
  if (alg !== 'HS256' || typ !== type || !key || Object.keys(others).length > 0) return undefined;
  const right = mac(compact.signingInput, key);
  if (compact.signature.length !== right.length || !timingSafeEqual(compact.signature, right)) return undefined;
  const claims = Claims.safeParse(readClaims(compact)).data;
  if (claims?.aud !== recipient || claims.tenant !== tenant) return undefined;
  const { sub, email, groups, permissions, tier, iat, exp } = claims;
  const now = at / 1_000;
  if (exp <= now || iat > now + skewSeconds || exp - iat > seconds) return undefined;
  return { sub, ...(email !== undefined && { email }), groups, permissions, tier, tenant };
}

function mac(input: string, { key }: VerificationKey): Buffer {
  const own = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), 'flowgrid/passport/v1', 32));
  return createHmac('sha256', own).update(input).digest();
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
