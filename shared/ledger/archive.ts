// Old days: copied to append blobs, read back and checked, then removed from Cosmos DB. Every step may be repeated, and a crash between any two harms nothing.
import { createInterface } from 'node:readline';
import * as z from 'zod';
import type { Blobs } from '../blobs/blobs.ts';
import { nextDay, day as utcDay } from '../clock/clock.ts';
import type { TenantScope } from '../scope/scope.ts';
import { type DocumentKind, put, remove, replace } from '../storage/documents.ts';
import type { TenantPartition } from '../storage/tenant-partition.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { Segment, Segments, segmentName } from './event.ts';
import { ChainCheck } from './verify-chain.ts';

const container = 'ledger-archive';

/** Which days have been moved, and which one is being removed from Cosmos DB after it was checked. */
const ArchiveState = z.strictObject({ moving: z.iso.date().optional() });
const ArchiveStates: DocumentKind<z.infer<typeof ArchiveState>> = { container: 'control', type: 'ledger-archive', schema: ArchiveState };
const stateName = 'state';

const ArchivedSegment = z.strictObject({ lane: z.string(), segment: z.unknown() });

export interface Archived {
  readonly lane: string;
  /** Of the segment. */
  readonly name: string;
  /** As it lies there: whether it is sound is for whoever reads it to check. */
  readonly segment: unknown;
}

/** Blob Storage appends at most 4 MiB at once. */
const blockBytes = 2_000_000;
const pageSize = 50;
/** A transactional batch removes this many. */
const removedAtOnce = 100;

export class LedgerArchive {
  readonly #store: TenantStore;
  readonly #blobs: Blobs;

  constructor(store: TenantStore, blobs: Blobs) {
    this.#store = store;
    this.#blobs = blobs;
  }

  /** The archived days, oldest first. A day that is still being copied is none. A tenant of which nothing was ever moved costs no look at the blobs. */
  async days(scope: TenantScope): Promise<string[]> {
    if (!(await this.#store.of(scope).read(ArchiveStates, stateName))) return [];
    const names = await this.#blobs.list(scope, container);
    return names.filter((name) => name.endsWith('.done')).map((name) => name.slice(0, 10));
  }

  /** The day whose segments may still be found in Cosmos DB as well. */
  async movingDay(scope: TenantScope): Promise<string | undefined> {
    return (await this.#store.of(scope).read(ArchiveStates, stateName))?.body.moving;
  }

  /** The segments of an archived day: lane by lane, each in order. */
  async *read(scope: TenantScope, day: string): AsyncGenerator<Archived> {
    const stream = await this.#blobs.stream(scope, { container, name: `${day}.ndjson` });
    if (!stream) return;
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      const parsed = ArchivedSegment.safeParse(parse(line));
      const { lane, segment } = parsed.data ?? { lane: '', segment: line };
      yield { lane, name: segmentName(Segment.safeParse(segment).data?.first ?? 0), segment };
    }
  }

  /**
   * Moves the oldest day that has segments and lies before `before`, and answers it; undefined when there is none. Whoever calls has had the ledger
   * checked up to then.
   */
  async moveOldest(scope: TenantScope, before: string): Promise<string | undefined> {
    const partition = this.#store.of(scope);
    const moving = (await partition.read(ArchiveStates, stateName))?.body.moving;
    const oldest = moving ?? (await this.oldestDay(scope));
    if (oldest === undefined || oldest >= before) return undefined;
    const lanes = await lanesOf(partition);
    if (moving === undefined) {
      await this.#copy(scope, partition, oldest, lanes);
      await this.#check(scope, partition, oldest, lanes);
      await partition.commit([put(ArchiveStates, stateName, { moving: oldest })]);
    }
    await this.#blobs.create(scope, { container, name: `${oldest}.done` }, '');
    for (const lane of lanes) await this.#remove(partition, oldest, lane);
    const state = await partition.read(ArchiveStates, stateName);
    // Another instance may be a day further.
    if (state?.body.moving === oldest) await partition.commit([replace(ArchiveStates, state, {})]);
    return oldest;
  }

  /** The day of the oldest segment in Cosmos DB. */
  async oldestDay(scope: TenantScope): Promise<string | undefined> {
    const partition = this.#store.of(scope);
    let oldest: string | undefined;
    for (const lane of await lanesOf(partition)) {
      const [first] = await partition.list(Segments, { limit: 1 }, lane);
      const day = first?.body.to.slice(0, 10);
      if (day !== undefined && (oldest === undefined || day < oldest)) oldest = day;
    }
    return oldest;
  }

  /** What an interrupted copy has written already is passed over: the same segments give the same bytes. */
  async #copy(scope: TenantScope, partition: TenantPartition, day: string, lanes: readonly string[]): Promise<void> {
    const place = { container, name: `${day}.ndjson` } as const;
    let there = await this.#blobs.append(scope, place);
    let position = 0;
    let block = Buffer.alloc(0);
    const write = async (): Promise<void> => {
      if (block.length > 0) await this.#blobs.appendAt(scope, place, position, block);
      position += block.length;
      block = Buffer.alloc(0);
    };
    for await (const { lane, segment } of segmentsOf(partition, day, lanes)) {
      let bytes = Buffer.from(`${JSON.stringify({ lane, segment })}\n`);
      const known = Math.min(there, bytes.length);
      there -= known;
      position += known;
      bytes = bytes.subarray(known);
      if (block.length + bytes.length > blockBytes) await write();
      block = Buffer.concat([block, bytes]);
    }
    await write();
  }

  /** Reads the day back. Throws when it is not, segment for segment, what Cosmos DB holds, or no chain in itself: then nothing is removed. */
  async #check(scope: TenantScope, partition: TenantPartition, day: string, lanes: readonly string[]): Promise<void> {
    const copied = this.read(scope, day);
    const chains = new Map<string, ChainCheck>();
    for await (const { lane, segment } of segmentsOf(partition, day, lanes)) {
      const { value } = await copied.next();
      if (value?.lane !== lane || JSON.stringify(value.segment) !== JSON.stringify(segment))
        throw new Error('an archived day is not its copy');
      const before = { seq: segment.first - 1, hash: segment.prev, first: segment.first };
      const chain = chains.get(lane) ?? new ChainCheck(scope.tenantId, { lanes: { [lane]: before }, opened: [], events: 0 });
      chains.set(lane, chain);
      chain.take(lane, segment);
      if (chain.broken) throw new Error('a day that does not verify is not archived');
    }
    if (!(await copied.next()).done) throw new Error('an archived day holds more than its copy');
  }

  async #remove(partition: TenantPartition, day: string, lane: string): Promise<void> {
    for (;;) {
      const page = await partition.list(Segments, { limit: removedAtOnce }, lane);
      const old = page.filter(({ body }) => body.to.slice(0, 10) <= day);
      if (old.length === 0) return;
      await partition.commit(
        old.map(({ name }) => remove(Segments, name)),
        lane,
      );
    }
  }
}

async function lanesOf(partition: TenantPartition): Promise<string[]> {
  const lanes: string[] = [];
  for (let lane = await partition.nextLane(Segments, ''); lane !== undefined; lane = await partition.nextLane(Segments, lane))
    lanes.push(lane);
  return lanes;
}

/** The segments that end on a day or before it, lane by lane. Times never run backwards in a lane, so they are its first ones. */
async function* segmentsOf(
  partition: TenantPartition,
  day: string,
  lanes: readonly string[],
): AsyncGenerator<{ lane: string; segment: Segment }> {
  for (const lane of lanes) {
    for (let after = ''; ; ) {
      const page = await partition.list(Segments, { limit: pageSize, after }, lane);
      const old = page.filter(({ body }) => body.to.slice(0, 10) <= day);
      for (const { body } of old) yield { lane, segment: body };
      if (old.length < pageSize) break;
      after = old.at(-1)?.name ?? '';
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The first day that stays in Cosmos DB when whole days older than `days` are archived. */
export function firstKeptDay(nowMs: number, days: number): string {
  return utcDay(nextDay(nowMs) - (days + 1) * 86_400_000);
}
