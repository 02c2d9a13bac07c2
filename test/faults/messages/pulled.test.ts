// Messages that are pulled, under everything that breaks: agents, senders, hosts and the broker killed with -9, connections dropped, locks lost. No accepted
// message is lost, and none takes effect twice with a receiver that is idempotent by its message id.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../../flowgrid.ts';
import { Breakable, type Breakage } from './breakable.ts';

/** A process each, of the agent it names. */
const readers = ['reader-one', 'reader-one', 'reader-two', 'reader-three'];
const leastAccepted = 2_000;

let broken: Breakable;
beforeAll(async () => {
  broken = await Breakable.start();
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(broken.flowGrid.output.slice(-4_000));
});
afterAll(() => broken?.end());

/** Message ids by number, as the readers left them. */
function effectsIn(path: string): Map<number, string[]> {
  const effects = new Map<number, string[]>();
  for (const name of readdirSync(path)) {
    const [number, messageId] = name.split('~');
    if (messageId !== undefined) effects.set(Number(number), [...(effects.get(Number(number)) ?? []), messageId]);
  }
  return effects;
}

test('no accepted message is lost and none takes effect twice', async () => {
  const { tenant } = broken;
  const effects = join(broken.folder, 'effects');
  mkdirSync(effects);
  const agents = [...new Set(readers)];
  const environments = new Map<string, Record<string, string>>();
  for (const agentId of agents)
    environments.set(agentId, await tenant.owner.ask('POST', `/tenants/${tenant.id}/agents/${agentId}/environment`));
  const reading = readers.map((agentId, at) =>
    broken.keepRunning('reader', () => ({ ...environments.get(agentId), EFFECTS: effects, REPLICA: `${agentId}-${at}` })),
  );
  const running = async () => (await tenant.owner.ask<{ total: number }>('GET', '/api/registry/agents')).total;
  await until('all agents run', async () => (await running()) === agents.length, 30_000);
  await broken.shortenLocks(agents.map((agentId) => `${tenant.id}-${agentId.replaceAll('-', '_')}`));
  const writing = broken.startWriters('reader-one', agents);

  const faults = (service: 'serviceBus' | 'blobs', match: string, rate: number, effect: string): Breakage => {
    return () => broken.setFaults([{ service, match, rate, effect }]);
  };
  await broken.breakEverything(
    [
      async () => reading[0]?.kill9(),
      () => broken.kill9('host-0'),
      // The key that signs is another from here on: agents learn it when they first see it.
      () => broken.rotateKeys(),
      async () => writing[0]?.kill9(),
      faults('serviceBus', '^(send|receive|complete)', 0.02, 'drop'),
      () => broken.kill9('twin'),
      faults('serviceBus', '^complete', 0.1, 'lockLost'),
      async () => reading[2]?.kill9(),
      faults('serviceBus', '^(send|receive|complete|attach)', 0.05, '500'),
      faults('blobs', '', 0.2, '500'),
      () => broken.kill9('host-1'),
      async () => {
        for (const each of reading) each.kill9();
      },
    ],
    leastAccepted,
  );
  await Promise.all(writing.map((each) => each.end(0)));

  const accepted = broken.accepted();
  const missing = () => {
    const done = effectsIn(effects);
    return [...accepted].filter(([number, messageId]) => !done.get(number)?.includes(messageId));
  };
  await until('what was accepted has taken effect', async () => missing().length === 0, 60_000).catch(() => undefined);
  expect(missing()).toEqual([]);
  expect([...effectsIn(effects)].filter(([, messageIds]) => messageIds.length > 1)).toEqual([]);
  // A send whose answer was lost may have put a message on its queue twice; the second is refused and told of, and nothing else is.
  const taken = new Set([...effectsIn(effects).values()].flat());
  for (const { messageId, reason } of await broken.deadLetters()) {
    expect(reason).toBe('replayed');
    expect(taken).toContain(messageId);
  }
  expect(await Promise.all(reading.map((each) => each.end()))).toEqual(readers.map(() => 0));
}, 300_000);
