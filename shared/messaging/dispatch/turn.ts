// One turn of a tenant: the slot first, then the marker away, then the work; behind it the slot back, and the next ring where work is left.
import type { Call } from './call.ts';
import type { Ground } from './ground.ts';
import { announce, answer } from './markers.ts';
import { enter, leave, poolOf } from './slots.ts';

export interface Turn {
  readonly call: Call;
  /** The call has come before and was not finished. */
  readonly again: boolean;
  /** How many slots the tenant has. */
  readonly slots: number;
  /** Sees to the queue for a while; answers whether anything may be left. */
  readonly work: () => Promise<'done' | 'more'>;
}

/** Answers a call. When it rejects, the call must come again. */
export async function takeTurn(ground: Ground, { call, again, slots, work }: Turn): Promise<void> {
  const lane = call.kind === 'ring' ? call.lane : 0;
  const pool = poolOf({ ...call, lane }, slots);
  const slot = await enter(ground, pool, call, again);
  if (!slot) {
    // Lane 0 sees to what there is; this one is opened again when there is room.
    if (call.kind === 'ring' && lane > 0) await answer(ground, call);
    return;
  }
  let left: 'done' | 'more' = 'done';
  let free = 0;
  try {
    // Whoever was cut short may have taken its marker away and done nothing.
    if (call.kind === 'retry' || (await answer(ground, call)) || again) left = await work();
  } finally {
    free = await leave(ground, slot, pool.size);
  }
  if (left === 'done') return;
  await announce(ground, { ...call, lane });
  // One slot is for the ring just rung.
  if (free > 1 && slots > 1) await announce(ground, { ...call, lane: (lane + 1) % slots });
}
