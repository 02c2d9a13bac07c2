// Checks a ledger, segment by segment. Pure: the job that checks what is stored and the program that checks an export use this and nothing else.
import * as z from 'zod';
import { canonical } from '../messaging/canonical.ts';
import { emptyHead, type Head, hashOf } from './chain.ts';
import type { Event, Segment } from './event.ts';

/** What can be wrong. The names are stable: they are what `firstBroken.reason` says. */
export const reasons = [
  'hash_mismatch',
  'gap',
  'sequence_invalid',
  'foreign_event',
  'tail_missing',
  'head_replayed',
  'lane_missing',
  'lane_unregistered',
  'segment_invalid',
  'checkpoint_mismatch',
  'checkpoint_missing',
  'checkpoint_invalid',
] as const;
export type Reason = (typeof reasons)[number];

export interface Broken {
  readonly lane: string;
  readonly seq: number;
  readonly reason: Reason;
}

/** The lane that says which lanes there are. */
export const controlLane = 'control';

/** How far a walk has come, as JSON. */
export const CheckState = z.strictObject({
  lanes: z.record(z.string(), z.strictObject({ seq: z.int(), hash: z.string(), at: z.string().optional(), first: z.int() })),
  opened: z.array(z.string()),
  events: z.int(),
});
export type CheckState = z.infer<typeof CheckState>;

interface LaneState {
  head: Head;
  first: number;
  /** What somebody vouches for: the hash of the lane at these sequence numbers, lowest first. */
  marks: { readonly seq: number; readonly hash: string; readonly by: 'head' | 'checkpoint' }[];
}

/**
 * One walk over one tenant's ledger. First everything that was vouched for (`expect`), then the segments of each lane in order (`take`), then
 * `end`. Segments behind what was vouched for are fine as long as they follow: somebody is still writing.
 */
export class ChainCheck {
  readonly #tenantId: string;
  readonly #lanes = new Map<string, LaneState>();
  readonly #opened: Set<string>;
  #events: number;
  #broken: Broken | undefined;

  /** `from` is where an earlier walk stopped. */
  constructor(tenantId: string, from?: CheckState) {
    this.#tenantId = tenantId;
    for (const [lane, { first, ...head }] of Object.entries(from?.lanes ?? {})) this.#lanes.set(lane, { head, first, marks: [] });
    this.#opened = new Set(from?.opened);
    this.#events = from?.events ?? 0;
  }

  /** What another walk needs to go on from here. */
  get state(): CheckState {
    const lanes = [...this.#lanes].flatMap(([lane, { head, first }]) => (head.seq > 0 ? [[lane, { ...head, first }]] : []));
    return { lanes: Object.fromEntries(lanes), opened: [...this.#opened], events: this.#events };
  }

  /** The first thing found wrong; nothing after it is looked at. */
  get broken(): Broken | undefined {
    return this.#broken;
  }

  get events(): number {
    return this.#events;
  }

  /** Lanes with anything in them. */
  get lanes(): number {
    return [...this.#lanes.values()].filter(({ head }) => head.seq > 0).length;
  }

  /** Lanes that the control lane says were opened, as far as it has been taken. */
  get opened(): ReadonlySet<string> {
    return this.#opened;
  }

  /** How far a lane has been taken. */
  headOf(lane: string): Head {
    return this.#lanes.get(lane)?.head ?? emptyHead;
  }

  firstOf(lane: string): number {
    return this.#lanes.get(lane)?.first ?? 0;
  }

  /** Says that something is wrong that only the caller can see. */
  fail(lane: string, seq: number, reason: Reason): void {
    this.#broken ??= { lane, seq, reason };
  }

  /** The lane reaches at least `head`, and has this hash there. Says `by` whom, which tells a lost tail from a rewritten one. */
  expect(lane: string, head: Head, by: 'head' | 'checkpoint'): void {
    const { marks, head: taken } = this.#lane(lane);
    if (head.seq <= taken.seq) return;
    if (marks.some(({ seq, hash, by: other }) => seq === head.seq && hash === head.hash && other === by)) return;
    const at = marks.findIndex(({ seq }) => seq > head.seq);
    marks.splice(at < 0 ? marks.length : at, 0, { seq: head.seq, hash: head.hash, by });
  }

  /** The next segment of its lane. */
  take(lane: string, segment: Segment): void {
    if (this.#broken) return;
    const state = this.#lane(lane);
    const { head } = state;
    const last = segment.events.at(-1)?.seq ?? 0;
    const reason = this.#fault(lane, head, segment);
    if (reason) {
      this.fail(lane, reason.seq, reason.reason);
      return;
    }
    if (state.first === 0) state.first = segment.first;
    state.head = { seq: last, hash: segment.hash, at: segment.to };
    this.#events += segment.events.length;
    if (lane === controlLane) {
      for (const { action, entity } of segment.events) if (action === 'lane.opened') this.#opened.add(entity.id);
    }
    while (state.marks[0] && state.marks[0].seq <= last) {
      const mark = state.marks.shift();
      // What is vouched for ends a segment: heads move by whole segments.
      if (mark && (mark.seq !== last || mark.hash !== segment.hash))
        this.fail(lane, mark.seq, mark.by === 'head' ? 'hash_mismatch' : 'checkpoint_mismatch');
    }
  }

  /** A lane has been taken to its end; `now` is its head as read after that, where there is one: it may not lie before what is stored. */
  endLane(lane: string, now?: Head): void {
    if (this.#broken) return;
    const { head, marks } = this.#lane(lane);
    const missed = marks.at(-1);
    if (missed) {
      // A head that itself lies before what a checkpoint has seen was put back.
      const replayed = missed.by === 'checkpoint' && now !== undefined && now.seq < missed.seq;
      this.fail(lane, head.seq + 1, replayed ? 'head_replayed' : 'tail_missing');
    } else if (now && now.seq < head.seq) this.fail(lane, now.seq, 'head_replayed');
  }

  /** Nothing more comes: whatever is still vouched for is not there. */
  end(): void {
    for (const [lane, { head, marks }] of this.#lanes) {
      if (marks.length > 0) this.fail(lane, head.seq + 1, head.seq === 0 ? 'lane_missing' : 'tail_missing');
    }
  }

  #lane(lane: string): LaneState {
    const known = this.#lanes.get(lane);
    if (known) return known;
    const state: LaneState = { head: emptyHead, first: 0, marks: [] };
    this.#lanes.set(lane, state);
    return state;
  }

  #fault(lane: string, head: Head, segment: Segment): { seq: number; reason: Reason } | undefined {
    if (segment.first > head.seq + 1) return { seq: head.seq + 1, reason: 'gap' };
    if (segment.first !== head.seq + 1) return { seq: segment.first, reason: 'sequence_invalid' };
    let seq = head.seq;
    const texts: string[] = [];
    for (const event of segment.events) {
      seq += 1;
      texts.push(canonical(event));
      if (event.seq !== seq || event.lane !== lane || event.id !== `${lane}:${seq}`) return { seq, reason: 'sequence_invalid' };
      if (event.tenantId !== this.#tenantId) return { seq, reason: 'foreign_event' };
    }
    if (segment.prev !== head.hash || hashOf(segment.prev, texts) !== segment.hash) return { seq: segment.first, reason: 'hash_mismatch' };
    return spanOf(segment.events) === `${segment.from} ${segment.to}` ? undefined : { seq: segment.first, reason: 'segment_invalid' };
  }
}

/** A list finds segments by their times, which the hash covers only as the events' own. */
function spanOf(events: readonly Event[]): string {
  return `${events[0]?.at} ${events.at(-1)?.at}`;
}
