// A ledger as lines: what an export holds, one JSON object a line, in an order that can be checked in one walk. Pure: the job that checks what is stored
// and the program that checks an export (`npm run verify-ledger`) both feed their lines to this.
import * as z from 'zod';
import { CheckpointCheck, PublicKey } from './checkpoint.ts';
import { LaneHead, Segment } from './event.ts';
import { type Broken, ChainCheck, type CheckState, controlLane } from './verify-chain.ts';

export const Line = z.discriminatedUnion('type', [
  /** The first line. */
  z.strictObject({ type: z.literal('ledger'), version: z.literal(1), tenantId: z.string(), at: z.iso.datetime() }),
  /** The public half of a key that checkpoints are signed with. Advisory: who checks an export should bring the key along. */
  z.strictObject({ type: z.literal('key'), key: PublicKey }),
  /** All checkpoints, the first one first. */
  z.strictObject({ type: z.literal('checkpoint'), jws: z.string() }),
  /** Where a lane ended before its segments were read. */
  z.strictObject({ type: z.literal('head'), lane: z.string(), head: LaneHead }),
  /** The segments of a lane come in order; those of archived days come first, and the control lane before the others. */
  z.strictObject({ type: z.literal('segment'), lane: z.string(), segment: z.unknown() }),
  /** A lane has been read to its end; `head` is where it ended after that. */
  z.strictObject({ type: z.literal('lane-end'), lane: z.string(), head: LaneHead.optional() }),
  /** A lane that is registered. */
  z.strictObject({ type: z.literal('registered'), lane: z.string() }),
  /** A lane in which segments were found. */
  z.strictObject({ type: z.literal('found'), lane: z.string() }),
  /** The last line. */
  z.strictObject({ type: z.literal('end') }),
]);
export type Line = z.infer<typeof Line>;

export class LineCheck {
  readonly #chain: ChainCheck;
  readonly #checkpoints: CheckpointCheck;
  readonly #registered = new Set<string>();
  readonly #heads = new Set<string>();
  #ended = false;

  /** `keys` alone are trusted; `from` is where an earlier walk stopped. */
  constructor(tenantId: string, keys: readonly PublicKey[], from?: CheckState) {
    this.#chain = new ChainCheck(tenantId, from);
    this.#checkpoints = new CheckpointCheck(tenantId, keys, this.#chain);
  }

  get chain(): ChainCheck {
    return this.#chain;
  }

  get checkpoints(): CheckpointCheck {
    return this.#checkpoints;
  }

  get broken(): Broken | undefined {
    return this.#chain.broken;
  }

  /** Whether the last line has come: without it, what was checked may have been cut off. */
  get ended(): boolean {
    return this.#ended;
  }

  take(line: Line): void {
    const chain = this.#chain;
    switch (line.type) {
      case 'ledger':
      case 'key':
        break;
      case 'checkpoint':
        this.#checkpoints.take(line.jws);
        break;
      case 'head':
        this.#heads.add(line.lane);
        chain.expect(line.lane, line.head, 'head');
        break;
      case 'segment':
        this.#takeSegment(line.lane, line.segment);
        break;
      case 'lane-end':
        // A lane has a head before its first event.
        if (!this.#heads.has(line.lane)) chain.fail(line.lane, chain.headOf(line.lane).seq + 1, 'lane_missing');
        chain.endLane(line.lane, line.head);
        break;
      case 'registered':
        this.#registered.add(line.lane);
        if (!chain.opened.has(line.lane)) chain.fail(line.lane, 1, 'lane_unregistered');
        break;
      case 'found':
        if (line.lane !== controlLane && !chain.opened.has(line.lane)) chain.fail(line.lane, 1, 'lane_unregistered');
        break;
      case 'end':
        this.#end();
    }
  }

  #takeSegment(lane: string, stored: unknown): void {
    const segment = Segment.safeParse(stored);
    if (segment.success) this.#chain.take(lane, segment.data);
    else this.#chain.fail(lane, this.#chain.headOf(lane).seq + 1, 'segment_invalid');
  }

  #end(): void {
    const lost = [...this.#chain.opened].find((lane) => !this.#registered.has(lane));
    if (lost !== undefined) this.#chain.fail(lost, 1, 'lane_missing');
    this.#chain.end();
    this.#ended = true;
  }
}
