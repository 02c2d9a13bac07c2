// What becomes of a message that the control plane delivers, and the reasons for which one ends in the dead letters.
import type { TenantQueue } from '../bus/queue-names.ts';
import type { Bearer } from '../identity/passport.ts';

/** Verdicts of the verification: nobody can say who wrote such a message, so it is never sent again. */
const unverified = [
  'envelope_invalid',
  'tenant_mismatch',
  'recipient_mismatch',
  'key_unknown',
  'signature_missing',
  'signature_invalid',
  'replayed',
  'too_large',
] as const;

/** api.md, Messages. */
export const deadLetterReasons = [...unverified, 'expired', 'no_handler', 'handler_failed', 'delivery_exhausted', 'endpoint_gone'] as const;
export type DeadLetterReason = (typeof deadLetterReasons)[number];

/** Whether whoever dead-lettered for this could not say who wrote the message. */
export function isUnverified(reason: DeadLetterReason): boolean {
  return unverified.some((each) => each === reason);
}

export type Verdict =
  | { readonly kind: 'complete' }
  /** To be tried again after so many milliseconds; `counts` says whether this try was one of the few a message has. */
  | { readonly kind: 'retry'; readonly afterMs: number; readonly counts: boolean }
  | { readonly kind: 'dead-letter'; readonly reason: DeadLetterReason; readonly description: string };

/** How a verified message came. */
export interface Delivery {
  readonly queue: TenantQueue;
  /** 1 the first time. */
  readonly attempt: number;
  readonly traceparent?: string;
  /** Whoever called `POST /api/messages`. */
  readonly bearer?: Bearer;
}
