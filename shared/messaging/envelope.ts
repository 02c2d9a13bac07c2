// The envelope every message travels in (api.md, "On the wire") and its verification, for the control plane and for agents alike.
import * as z from 'zod';
import { isSignedBy, signedUnder, type VerificationKey } from './signature.ts';

export const Envelope = z
  .strictObject({
    messageId: z.string().min(1).max(128),
    tenantId: z.string().min(1).max(40),
    agentId: z.string().min(1).max(64),
    to: z.string().min(1).max(64),
    messageType: z.string().min(1).max(128),
    payload: z.json(),
    timestamp: z.iso.datetime(),
    correlationId: z.string().min(1).max(128).optional(),
    causationId: z.string().min(1).max(128).optional(),
    expiresAt: z.iso.datetime().optional(),
    signature: z.string().max(256).optional(),
  })
  .meta({ id: 'Envelope' });
export type Envelope = z.infer<typeof Envelope>;

export type EnvelopeRefusal =
  | 'too_large'
  | 'envelope_invalid'
  | 'tenant_mismatch'
  | 'recipient_mismatch'
  | 'signature_missing'
  | 'key_unknown'
  | 'signature_invalid'
  | 'expired';

export interface Expectation {
  /** The tenant whose queue the message came from. */
  readonly tenantId: string;
  readonly recipient: string;
  readonly keys: readonly VerificationKey[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type Verified = { readonly envelope: Envelope } | { readonly refused: EnvelopeRefusal };

/** The largest envelope, in bytes of JSON: Service Bus takes 256 KB with its own headers. */
const maxBytes = 250_000;
/** Older messages are refused; the age a queue can keep one is the same. */
export const maxAgeMs = 24 * 60 * 60_000;
/** A timestamp may be this far ahead of our clock. */
const skewMs = 5 * 60_000;

/**
 * Checks in this order: size, schema, tenant equals the entity's, recipient, key id, signature, age (architecture 6). The replay check is the
 * receiver's, who knows what it has seen. Never throws, whatever was received.
 */
export function verifyEnvelope(received: unknown, expectation: Expectation): Verified {
  try {
    return verify(received, expectation);
  } catch {
    // Nested too deep to be walked, or a text that is no Unicode: it has no canonical form, so nobody can have signed it.
    return { refused: 'envelope_invalid' };
  }
}

function verify(received: unknown, { tenantId, recipient, keys, now }: Expectation): Verified {
  if (Buffer.byteLength(JSON.stringify(received) ?? '') > maxBytes) return { refused: 'too_large' };
  const parsed = Envelope.safeParse(received);
  if (!parsed.success) return { refused: 'envelope_invalid' };
  // What was received is checked, not what the schema made of it, which leaves `__proto__` out. The schema has found it to be an object.
  const { signature: _, ...unsigned } = received as Envelope;
  const { signature } = parsed.data;
  if (unsigned.tenantId !== tenantId) return { refused: 'tenant_mismatch' };
  if (unsigned.to !== recipient) return { refused: 'recipient_mismatch' };
  if (signature === undefined) return { refused: 'signature_missing' };
  const keyId = signedUnder(signature);
  const key = keys.find((each) => each.keyId === keyId);
  if (!key) return { refused: keyId === undefined ? 'signature_invalid' : 'key_unknown' };
  if (!isSignedBy(unsigned, signature, key)) return { refused: 'signature_invalid' };
  const sentAt = Date.parse(unsigned.timestamp);
  if (sentAt < now - maxAgeMs || sentAt > now + skewMs) return { refused: 'expired' };
  if (unsigned.expiresAt !== undefined && Date.parse(unsigned.expiresAt) <= now) return { refused: 'expired' };
  return { envelope: parsed.data };
}
