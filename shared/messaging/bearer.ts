// On whose behalf a message was sent, beside the envelope: a property that only the control plane writes and reads, of which a passport is made at delivery.
import * as z from 'zod';
import type { TenantIdentity } from '../identity/identity.ts';
import type { Bearer } from '../identity/passport.ts';
import { isSignedBy, sign, signedUnder, type VerificationKey } from './signature.ts';

/** The application property it travels in. */
export const bearerProperty = 'bearer';

/** Service Bus keeps 64 KB for properties, and a message of 256 KB holds a payload of 192 KB. */
const maxBytes = 16 * 1_024;

const Property = z.strictObject({
  bearer: z.strictObject({
    sub: z.string(),
    email: z.string().optional(),
    groups: z.array(z.string()),
    permissions: z.array(z.string()),
    tier: z.string(),
    tenant: z.string(),
  }),
  signature: z.string().max(256),
});

export function bearerOf({ tenantId, subject, email, groups, scopes }: TenantIdentity, tier: string): Bearer {
  return { sub: subject, ...(email !== undefined && { email }), groups, permissions: [...scopes].sort(), tier, tenant: tenantId };
}

/**
 * Signed under the recipient's key together with the message's id: a bearer cannot be moved to another message. None for somebody with groups beyond
 * measure: half of them would be worse than no passport.
 */
export function writeBearer(bearer: Bearer, messageId: string, key: VerificationKey): Record<string, string> {
  const text = JSON.stringify({ bearer, signature: sign({ bearer, messageId }, key) });
  return Buffer.byteLength(text) > maxBytes ? {} : { [bearerProperty]: text };
}

/** Whoever the message was sent for; undefined when there is nobody, or the property is not what we wrote for this message of this tenant. */
export function readBearer(
  property: unknown,
  { messageId, tenantId }: { readonly messageId: string; readonly tenantId: string },
  keys: readonly VerificationKey[],
): Bearer | undefined {
  if (typeof property !== 'string' || Buffer.byteLength(property) > maxBytes) return undefined;
  const read = Property.safeParse(parsed(property)).data;
  if (read?.bearer.tenant !== tenantId) return undefined;
  const { bearer, signature } = read;
  const key = keys.find(({ keyId }) => keyId === signedUnder(signature));
  if (!key || !isSignedBy({ bearer, messageId }, signature, key)) return undefined;
  const { email, ...others } = bearer;
  return { ...others, ...(email !== undefined && { email }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
