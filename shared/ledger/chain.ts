// The hash chain of a lane: each segment's hash covers the one before it.
import { createHash } from 'node:crypto';
import { iso } from '../clock/clock.ts';
import { canonical } from '../messaging/canonical.ts';
import type { Cause, Event, EventDraft, Segment } from './event.ts';

/** The end of a lane: the last sequence number and the hash that covers everything up to it. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

export const emptyHead: Head = { seq: 0, hash: '' };

/** An event with its place in a lane. */
export function seal(tenantId: string, lane: string, seq: number, cause: Cause, draft: EventDraft): Event {
  const { actor, requestId, traceId, ip } = cause;
  return {
    id: `${lane}:${seq}`,
    seq,
    lane,
    at: iso(),
    tenantId,
    actor,
    requestId,
    ...(traceId !== undefined && { traceId }),
    ...(ip !== undefined && { ip }),
    outcome: 'success',
    ...draft,
  };
}

/** The segment that follows `head`, and the head after it. `events` are in order and not empty. */
export function link(head: Head, events: readonly Event[]): { segment: Segment; head: Head } {
  const first = events[0];
  const last = events.at(-1);
  if (!first || !last || first.seq !== head.seq + 1) throw new RangeError('events must follow the head of their lane');
  const hash = createHash('sha256')
    .update(canonical({ prev: head.hash, events }))
    .digest('base64url');
  return {
    segment: { first: first.seq, from: first.at, to: last.at, prev: head.hash, hash, events: [...events] },
    head: { seq: last.seq, hash },
  };
}
