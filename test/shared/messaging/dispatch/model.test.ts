// The product's own marker, slot and ring functions through everything that can happen within small bounds. Without a crash no message waits for the sweep;
// with one, none is silent for longer than the sweep's period. And the model can tell: a rule broken is a silent message found.
import { describe, expect, test } from 'vitest';
import { announce, answer } from '../../../../shared/messaging/dispatch/markers.ts';
import { enter, leave, poolOf } from '../../../../shared/messaging/dispatch/slots.ts';
import { takeTurn } from '../../../../shared/messaging/dispatch/turn.ts';
import { type Bounds, explore, lane, type Parts, type World } from './model.ts';

/** Up to `quantum` messages. */
async function work(world: World, quantum = 1): Promise<'done' | 'more'> {
  for (let count = 0; count < quantum; count++) {
    const id = await world.receive();
    if (id === undefined) return 'done';
    await world.complete(id);
  }
  return 'more';
}

function product(slots: number, quantum = 1): Parts {
  return {
    send: async (world, id) => {
      await world.put(id);
      await announce(world, lane);
    },
    turn: (world, call, again) => takeTurn(world, { call, again, slots, work: () => work(world, quantum) }),
    sweep: async (world) => {
      if (!(await world.isEmpty())) await announce(world, lane);
    },
  };
}

const bounds = (some: Partial<Bounds>): Bounds => ({ senders: 1, messagesEach: 1, dispatchers: 2, crashes: 0, delays: 0, ...some });

describe('no message is silent', () => {
  test.each<[string, Parts, Bounds]>([
    ['two senders, one slot', product(1), bounds({ senders: 2 })],
    ['two senders, two slots', product(2, 3), bounds({ senders: 2 })],
    ['one sender of two messages, one slot', product(1), bounds({ messagesEach: 2 })],
    ['a backlog that opens a second lane', product(2), bounds({})],
    ['rings that come late', product(1, 3), bounds({ messagesEach: 2, delays: 1 })],
    ['a crash, one slot', product(1), bounds({ crashes: 1 })],
    ['a crash, two slots', product(2, 3), bounds({ messagesEach: 2, crashes: 1 })],
    ['a crash and two senders', product(1, 3), bounds({ senders: 2, dispatchers: 1, crashes: 1 })],
    ['a crash and a ring that comes late', product(1, 3), bounds({ crashes: 1, delays: 1 })],
    ['two crashes', product(1, 3), bounds({ crashes: 2 })],
    // Two minutes of it.
    ...(process.env['FLOWGRID_MODEL'] === 'whole'
      ? [['a crash, two senders and two dispatchers', product(1, 3), bounds({ senders: 2, crashes: 1 })] as [string, Parts, Bounds]]
      : []),
  ])('%s', { timeout: 600_000 }, async (_, parts, some) => {
    const { silent, states, ends } = await explore(some, parts);
    expect(silent, silent?.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(ends);
  });
});

describe('a rule that is broken is found out:', () => {
  const right = product(1);
  test.each<[string, Partial<Parts>, Partial<Bounds>]>([
    [
      'the marker is taken away behind the work',
      {
        turn: async (world, call) => {
          await work(world);
          if (call.kind === 'ring') await answer(world, call);
        },
      },
      { messagesEach: 2 },
    ],
    [
      'the ring comes before the message',
      {
        send: async (world, id) => {
          await announce(world, lane);
          await world.put(id);
        },
      },
      {},
    ],
    [
      'what is left is not rung for',
      { turn: (world, call, again) => takeTurn(world, { call, again, slots: 1, work: () => work(world).then(() => 'done' as const) }) },
      { messagesEach: 2 },
    ],
    [
      'nobody who waits for a slot is called',
      {
        turn: async (world, call, again) => {
          const pool = poolOf(lane, 1);
          const slot = await enter(world, pool, call, again);
          if (!slot || call.kind !== 'ring') return;
          const left = (await answer(world, call)) || again ? await work(world) : 'done';
          await leave({ ...world, ring: async () => undefined }, slot, pool.size);
          if (left === 'more') await announce(world, lane);
        },
      },
      { messagesEach: 2 },
    ],
    [
      'a ring that comes again counts as answered',
      { turn: (world, call) => takeTurn(world, { call, again: false, slots: 1, work: () => work(world) }), sweep: async () => undefined },
      { crashes: 1 },
    ],
  ])('%s', async (_, broken, some) => {
    const { silent } = await explore(bounds({ ...some }), { ...right, ...broken });
    expect(silent).toBeDefined();
  });
});
