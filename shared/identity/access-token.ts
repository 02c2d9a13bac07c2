// What our own access tokens say (RFC 9068), and whether a text is one of them in force. Whether it still counts is for `OwnTokenCheck`.
import type { KeyObject } from 'node:crypto';
import * as z from 'zod';
import { newId, now } from '../clock/clock.ts';
import { AgentId, TenantId } from '../scope/ids.ts';
import { readClaims, readCompact } from './compact.ts';
import type { TenantIdentity } from './identity.ts';
import { roleNames, type Scope, tenantScopes } from './scopes.ts';
import { verifyCompact } from './verify-compact.ts';

/** `typ` of the header (RFC 9068, 2.1): an access token cannot be taken for another kind of token, nor the other way round. */
export const accessTokenType = 'at+jwt';
/** Seconds from its making to its end. */
export const accessTokenSeconds = 900;
/** How far the clock of the instance that made it may be ahead of ours, in seconds. */
const skewSeconds = 10;

const name = z.string().min(1);

const Claims = z.object({
  sub: name,
  client_id: name,
  tenant_id: TenantId.optional(),
  tenantId: TenantId.optional(),
  username: name,
  email: z.string().optional(),
  role: z.enum(roleNames).optional(),
  scopes: z.array(z.enum(tenantScopes)),
  agent_id: AgentId.optional(),
  sid: name,
  jti: name,
  iat: z.int(),
  nbf: z.int().optional(),
  exp: z.int(),
});

export interface AccessToken {
  /** The version of the key it is signed with. */
  readonly kid: string;
  readonly tenantId: TenantId;
  /** The API key it was issued for. */
  readonly keyId: string;
  readonly family: string;
  readonly scopes: readonly Scope[];
  /** In milliseconds. */
  readonly endsAt: number;
}

/** The claims of a new token for whoever holds this key. */
export function claimsFor(
  issuer: string,
  holder: TenantIdentity & { readonly keyId: string },
  scopes: readonly Scope[],
  family: string,
): object {
  const { tenantId, keyId, subject, agentId, role, name, email } = holder;
  const iat = Math.floor(now() / 1_000);
  return {
    iss: issuer,
    aud: issuer,
    sub: subject,
    client_id: keyId,
    tenant_id: tenantId,
    username: agentId ?? name ?? subject,
    ...(email !== undefined && { email }),
    ...(role !== undefined && { role }),
    scopes,
    ...(agentId !== undefined && { agent_id: agentId }),
    sid: family,
    jti: newId(),
    iat,
    nbf: iat,
    exp: iat + accessTokenSeconds,
  };
}

/**
 * Reads an access token of `issuer`, which is also its audience: strict form, ES256, the right `typ`, a key that we know, every claim as we make it, and
 * time. Undefined for anything else. A key is looked for only once the token says that it is ours.
 */
export async function readAccessToken(
  text: string,
  issuer: string,
  findKey: (kid: string) => Promise<KeyObject | undefined>,
): Promise<AccessToken | undefined> {
  const compact = readCompact(text);
  if (compact?.header.alg !== 'ES256' || compact.header['typ'] !== accessTokenType) return undefined;
  const claims = readClaims(compact);
  const { kid } = compact.header;
  if (!claims || claims['iss'] !== issuer || claims['aud'] !== issuer || typeof kid !== 'string') return undefined;
  const key = await findKey(kid);
  if (!key || !(await verifyCompact(compact, key, ['ES256']))) return undefined;
  const parsed = Claims.safeParse(claims);
  if (!parsed.success) return undefined;
  const { tenant_id, tenantId = tenant_id, client_id: keyId, sid: family, scopes, iat, nbf = iat, exp } = parsed.data;
  // Two names for one tenant, not for two.
  if (tenantId === undefined || (tenant_id ?? tenantId) !== tenantId) return undefined;
  const at = now() / 1_000;
  const isInForce = exp > at && Math.max(iat, nbf) <= at + skewSeconds && exp - iat <= accessTokenSeconds;
  return isInForce ? { kid, tenantId, keyId, family, scopes, endsAt: exp * 1_000 } : undefined;
}
