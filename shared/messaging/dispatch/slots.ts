// Slots: how many queues' worth of work one tenant has going at once. Whoever finds none waits in the same document and is called by the next to
// leave, so taking, waiting and leaving are one conditional write each and nobody is missed between them.
import * as z from 'zod';
import { queueName } from '../../bus/queue-names.ts';
import { iso } from '../../clock/clock.ts';
import { DependencyError } from '../../errors/problem.ts';
import type { Stored } from '../../storage/documents.ts';
import type { PlatformKind } from '../../storage/platform-documents.ts';
import { Call, type Lane, laneName } from './call.ts';
import type { Ground } from './ground.ts';

const Pool = z.strictObject({
  turns: z.array(z.strictObject({ id: z.string(), until: z.iso.datetime() })),
  waiting: z.array(Call),
  /** One of those who wait is called by the clock then, in case nobody leaves. */
  calledAt: z.iso.datetime().optional(),
});
type Pool = z.infer<typeof Pool>;
export const Pools: PlatformKind<Pool> = { type: 'dispatch-slots', schema: Pool };

/** A turn ends well before: 1 s of starting work, 30 s for what was started last. No longer than the sweep's period: what a crash held back shows by then. */
export const leaseMs = 60_000;
/** 150 bytes each. What finds no room here is found by the sweep. */
const maxWaiting = 2_000;
const tries = 40;

/** So many slots share a document; more turns than that would be in each other's way. */
export const poolSize = 8;
export const maxSlots = 32;

export interface Slot {
  readonly id: string;
  readonly pool: Stored<Pool>;
}

/** The pool of a tenant with so many slots (up to 8, or a multiple of 8) that serves a lane. */
export function poolOf(lane: Lane, slots: number): { name: string; size: number } {
  const queue = Buffer.from(queueName(lane.tenantId, lane.queue)).reduce((sum, byte) => sum + byte, 0);
  return { name: `${lane.tenantId}:${(queue + lane.lane) % Math.ceil(slots / poolSize)}`, size: Math.min(slots, poolSize) };
}

/**
 * A slot for this call, or undefined: then it waits, and the call comes again when somebody leaves, at the latest when the first lease ends. `again` says that
 * the call has come before and was not finished, so what it should have begun may not have been begun. A lane that a backlog opened does not wait.
 */
export async function enter(ground: Ground, pool: { name: string; size: number }, call: Call, again: boolean): Promise<Slot | undefined> {
  for (let count = 0; count < tries; count++) {
    const at = iso(ground.now());
    // Only a free slot is taken on what is recalled: nobody waits, or goes away, before it was looked at.
    const recalled = count === 0 ? ground.recall(Pools, pool.name) : undefined;
    const isFree = recalled && recalled.body.turns.filter(({ until }) => until > at).length < pool.size;
    const stored = isFree ? recalled : await ground.read(Pools, pool.name);
    const turns = stored?.body.turns.filter(({ until }) => until > at) ?? [];
    const waiting = stored?.body.waiting ?? [];
    const others = waiting.filter((each) => !isSame(each, call));
    const calledAt = stored?.body.calledAt;
    if (turns.length < pool.size) {
      const id = ground.newId();
      const entered = { ...stored?.body, turns: [...turns, { id, until: iso(ground.now() + leaseMs) }], waiting: others };
      const etag = await write(ground, pool.name, stored, entered);
      if (etag) return { id, pool: { name: pool.name, body: entered, etag } };
      continue;
    }
    if (call.kind === 'ring' && call.lane > 0) return undefined;
    const isCalled = !again && calledAt !== undefined && calledAt > at;
    if (isCalled && others.length < waiting.length) return undefined;
    const end = turns.map(({ until }) => until).sort()[0] ?? at;
    const next = { turns, waiting: [...others, call].slice(0, maxWaiting), calledAt: isCalled ? calledAt : end };
    if (!(await write(ground, pool.name, stored, next))) continue;
    if (!isCalled) await ground.ring(call, Date.parse(end));
    return undefined;
  }
  throw new DependencyError('cosmos', 'the slots of a tenant change too often');
}

/** Gives the slot back and calls the first who waits. Answers how many slots are free and not promised to anybody. */
export async function leave(ground: Ground, slot: Slot, size: number): Promise<number> {
  let stored: Stored<Pool> | undefined = ground.recall(Pools, slot.pool.name) ?? slot.pool;
  for (let count = 0; count < tries && stored; count++) {
    const at = iso(ground.now());
    const turns = stored.body.turns.filter(({ id, until }) => id !== slot.id && until > at);
    const [first, ...waiting] = stored.body.waiting;
    if (await ground.replace(Pools, stored, { ...stored.body, turns, waiting })) {
      if (first) await ground.ring(first);
      return Math.max(0, size - turns.length - (first ? 1 : 0));
    }
    stored = await ground.read(Pools, slot.pool.name);
  }
  if (stored) throw new DependencyError('cosmos', 'the slots of a tenant change too often');
  return size;
}

async function write(ground: Ground, name: string, stored: Stored<Pool> | undefined, body: Pool): Promise<string | undefined> {
  return stored ? ground.replace(Pools, stored, body) : ground.create(Pools, name, body);
}

function nameOf(call: Call): string {
  return `${laneName({ ...call, lane: call.kind === 'ring' ? call.lane : 0 })} ${call.kind === 'ring' ? call.token : call.sequenceNumber}`;
}

function isSame(a: Call, b: Call): boolean {
  return nameOf(a) === nameOf(b);
}
