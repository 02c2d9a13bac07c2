// The envelope every message travels in (api.md, "On the wire") and its verification, for the control plane and for agents alike.
import * as z from 'zod';
import { canonical } from './canonical.ts';
import { isSignatureOf, signedUnder, type VerificationKey } from './signature.ts';

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

/** A payload that has a canonical form is JSON, and need not be walked a second time. */
const Received = Envelope.extend({ payload: z.custom<Envelope['payload']>((payload) => payload !== undefined) });

/**
 * Checks in this order: size, schema, tenant equals the entity's, recipient, key id, signature, age (architecture 6). The replay check is the
 * receiver's, who knows what it has seen. Never throws, whatever was received.
 */
export function verifyEnvelope(received: unknown, expectation: Expectation): Verified {
  const text = unsignedText(received);
  if (sizeOf(received, text) > maxBytes) return { refused: 'too_large' };
  if (text === undefined) return { refused: 'envelope_invalid' };
  const parsed = Received.safeParse(received);
  return parsed.success ? verify(parsed.data, text, expectation) : { refused: 'envelope_invalid' };
}

/** `text` is that of what was received, not of what the schema made of it. */
function verify(envelope: Envelope, text: string, { tenantId, recipient, keys, now }: Expectation): Verified {
  const { signature } = envelope;
  if (envelope.tenantId !== tenantId) return { refused: 'tenant_mismatch' };
  if (envelope.to !== recipient) return { refused: 'recipient_mismatch' };
  if (signature === undefined) return { refused: 'signature_missing' };
  const keyId = signedUnder(signature);
  const key = keys.find((each) => each.keyId === keyId);
  if (!key) return { refused: keyId === undefined ? 'signature_invalid' : 'key_unknown' };
  if (!isSignatureOf(text, signature, key)) return { refused: 'signature_invalid' };
  const sentAt = Date.parse(envelope.timestamp);
  if (sentAt < now - maxAgeMs || sentAt > now + skewMs) return { refused: 'expired' };
  if (envelope.expiresAt !== undefined && Date.parse(envelope.expiresAt) <= now) return { refused: 'expired' };
  return { envelope };
}

/** What is signed; undefined for what is no object, nested too deep or a text that is no Unicode: nobody can have signed it. */
function unsignedText(received: unknown): string | undefined {
  if (typeof received !== 'object' || received === null) return undefined;
  try {
    const { signature: _, ...unsigned }: { signature?: unknown } = received;
    return canonical(unsigned);
  } catch {
    return undefined;
  }
}

/** In bytes of JSON: the canonical form differs in the order of members alone. 0 for what JSON cannot write, which is no envelope either. */
function sizeOf(received: unknown, text: string | undefined): number {
  try {
    if (text === undefined) return Buffer.byteLength(JSON.stringify(received) ?? '');
    // `text` is that of an object.
    const { signature } = received as { signature?: unknown };
    return Buffer.byteLength(text) + (signature === undefined ? 0 : 13 + Buffer.byteLength(JSON.stringify(signature)));
  } catch {
    return 0;
  }
}
