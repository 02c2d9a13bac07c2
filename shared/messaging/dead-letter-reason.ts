// What a dead letter tells of how it came to be one.
import { deadLetterProperties, type ReceivedMessage } from '../bus/queue-reader.ts';
import { type DeadLetterReason, deadLetterReasons } from './verdict.ts';

const ofBroker: Readonly<Record<string, DeadLetterReason>> = {
  MaxDeliveryCountExceeded: 'delivery_exhausted',
  TTLExpiredException: 'expired',
};
/** Of every queue (shared/bus/bus-administration.ts). */
const maxDeliveryCount = 10;

/**
 * Why a letter is one. What whoever dead-lettered it noted on it goes before what the broker says, which for a letter that expired once more is only that.
 * Agents may write there what they like: a reason that is none of ours is a failure of theirs.
 */
export function reasonOf({ reason = '', description = '', properties }: ReceivedMessage): {
  reason: DeadLetterReason;
  description: string;
} {
  const noted = properties[deadLetterProperties.reason];
  const given = typeof noted === 'string' ? noted : reason;
  const more = properties[deadLetterProperties.description];
  const text = typeof noted === 'string' && typeof more === 'string' ? more : description;
  const known = deadLetterReasons.find((each) => each === given) ?? ofBroker[given];
  return known ? { reason: known, description: text } : { reason: 'handler_failed', description: [given, text].filter(Boolean).join(': ') };
}

/** How often it was delivered before; null where the broker has forgotten: it counts from zero where it forwards. */
export function deliveriesOf({ reason, properties }: ReceivedMessage): number | null {
  const noted = properties[deadLetterProperties.deliveries];
  if (typeof noted === 'number' && Number.isSafeInteger(noted) && noted >= 0) return noted;
  return reason === 'MaxDeliveryCountExceeded' ? maxDeliveryCount : null;
}
