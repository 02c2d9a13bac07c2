// What becomes of a message that the control plane delivers, and the reasons for which one ends in the dead letters.
import type { TenantQueue } from '../bus/queue-names.ts';
import type { Bearer } from '../identity/passport.ts';

/** api.md, Messages. The first eight are verdicts of the verification, and such a message is never sent again. */
export const deadLetterReasons = [
  'envelope_invalid',
  'tenant_mismatch',
  'recipient_mismatch',
  'key_unknown',
  'signature_missing',
  'signature_invalid',
  'replayed',
  'too_large',
  'expired',
  'no_handler',
  'handler_failed',
  'delivery_exhausted',
  'endpoint_gone',
] as const;
export type DeadLetterReason = (typeof deadLetterReasons)[number];

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
