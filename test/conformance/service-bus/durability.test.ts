// What survives: `kill -9` under load loses nothing acknowledged and brings back nothing settled, and clients find a restarted broker again.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusClient, type ServiceBusReceivedMessage } from '@azure/service-bus';
import rhea, { type EventContext } from 'rhea';
import { afterEach, describe, expect, test } from 'vitest';
import { Faults } from '../../../local/faults.ts';
import { startServiceBus } from '../../../local/service-bus/start.ts';
import { administration, local, ROOT_KEY, ROOT_RULE, sign, until, withKey } from './target.ts';
import { Wire } from './wire.ts';

/** What of a set is in none of the others. */
function missing<T>(of: Set<T>, ...from: Set<T>[]): T[] {
  return [...of].filter((one) => !from.some((set) => set.has(one)));
}

describe.runIf(local)('durability', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  const folder = async () => {
    const path = await mkdtemp(join(tmpdir(), 'flowgrid-service-bus-'));
    undo.push(() => rm(path, { recursive: true, force: true }));
    return path;
  };
  const connect = (port: number) => {
    const client = new ServiceBusClient(withKey(port), {
      retryOptions: { retryDelayInMs: 50, maxRetryDelayInMs: 200, timeoutInMs: 5_000 },
    });
    undo.push(() => client.close());
    return client;
  };

  test('kill -9 under load', { timeout: 60_000 }, async () => {
    const data = await folder();
    let broker: ChildProcess | undefined;
    const start = async (...ports: number[]): Promise<[number, number]> => {
      const started = fork(join(import.meta.dirname, 'broker-process.ts'), [data, ...(ports.length ? ports : [0, 0]).map(String)]);
      undo.push(() => started.kill('SIGKILL'));
      broker = started;
      const [listening] = await once(started, 'message');
      return listening;
    };
    const [port, adminPort] = await start();
    const admin = administration(withKey(adminPort));
    const settings = { lockDuration: 'PT5M', maxDeliveryCount: 2_000 };
    for (const name of ['complete', 'deadletter', 'hold', 'schedule']) await admin.createQueue(name, settings);

    // By queue: what the broker acknowledged, what was delivered, what settling was asked for, and what settling was acknowledged.
    type Told = Record<'sent' | 'delivered' | 'asked' | 'settled', Set<unknown>>;
    const told = Object.fromEntries(
      ['complete', 'deadletter', 'hold'].map((name): [string, Told] => [
        name,
        { sent: new Set(), delivered: new Set(), asked: new Set(), settled: new Set() },
      ]),
    );
    const scheduled = new Set<string>();
    let body = 0;

    for (let round = 0; round < 3; round++) {
      const before = Object.values(told).map(({ sent }) => sent.size);
      const wire = await Wire.connect(port);
      await wire.putToken('sb://host/', sign('sb://host/', ROOT_RULE, ROOT_KEY));
      for (const [name, { sent, delivered, asked, settled }] of Object.entries(told)) {
        const sender = await wire.sender(name);
        const bodies = new Map<number, unknown>();
        const more = () => {
          if (!sender.sendable()) return;
          bodies.set(sender.send({ body }).id, body);
          body++;
        };
        sender.on('accepted', ({ delivery }: EventContext) => {
          sent.add(bodies.get(delivery?.id ?? -1));
          more();
        });
        const receiver = await wire.receiver(name);
        const byDelivery = new Map<number | undefined, unknown>();
        receiver.on('message', ({ message, delivery }: EventContext) => {
          delivered.add(message?.body);
          receiver.add_credit(1);
          if (name === 'hold') return;
          asked.add(message?.body);
          byDelivery.set(delivery?.id, message?.body);
          if (name === 'complete') delivery?.accept();
          else delivery?.reject({ condition: 'com.microsoft:dead-letter', info: { DeadLetterReason: 'test' } } as never);
        });
        receiver.on('settled', ({ delivery }: EventContext) => settled.add(byDelivery.get(delivery?.id)));
        receiver.add_credit(20);
        for (let i = 0; i < 16; i++) more();
      }
      const { ask } = await wire.management('schedule');
      const message_annotations = { 'x-opt-scheduled-enqueue-time': new Date(Date.now() + 3_600_000) };
      const later = { messages: [{ message: rhea.message.encode({ message_annotations, body: 'later' }) }] };
      const schedule = async (): Promise<void> => {
        const reply = await ask('com.microsoft:schedule-message', later);
        scheduled.add(String(reply.body['sequence-numbers'][0]));
        return schedule();
      };
      schedule().catch(() => {});
      await until(
        () => Object.values(told).every(({ sent }, i) => sent.size >= (before[i] ?? 0) + 150 + 97 * round),
        'there is load on all queues',
      );
      broker?.kill('SIGKILL');
      await once(wire.connection, 'disconnected');

      await start(port, adminPort);
      const client = connect(port);
      const all = async (name: string, letters = false) => {
        const receiver = client.createReceiver(name, letters ? { subQueueType: 'deadLetter' } : {});
        const found: ServiceBusReceivedMessage[] = [];
        for (let page = await receiver.peekMessages(250); page.length > 0; page = await receiver.peekMessages(250)) found.push(...page);
        return found;
      };
      const bodiesOf = (messages: ServiceBusReceivedMessage[]) => new Set<unknown>(messages.map((message) => message.body));
      const { complete, deadletter, hold } = told;
      if (!complete || !deadletter || !hold) throw new Error('three queues are under load');

      const left = bodiesOf(await all('complete'));
      expect([...left].filter((one) => complete.settled.has(one))).toEqual([]);
      expect(missing(complete.sent, left, complete.asked)).toEqual([]);

      const [main, letters] = [bodiesOf(await all('deadletter')), bodiesOf(await all('deadletter', true))];
      expect(missing(deadletter.settled, letters)).toEqual([]);
      expect(missing(deadletter.sent, main, letters)).toEqual([]);

      const held = await all('hold');
      expect(missing(hold.sent, bodiesOf(held))).toEqual([]);
      expect(held.every((message) => !hold.delivered.has(message.body) || (message.deliveryCount ?? 0) > 0)).toBe(true);
      expect(await client.createReceiver('hold').receiveMessages(1, { maxWaitTimeInMs: 5_000 })).toHaveLength(1);

      const numbers = new Set((await all('schedule')).map(({ sequenceNumber }) => String(sequenceNumber)));
      expect(missing(scheduled, numbers)).toEqual([]);
      const every = [...left, ...main, ...letters, ...bodiesOf(held)];
      expect(new Set(every).size).toBe(every.length);
    }
    expect(told['complete']?.settled.size).toBeGreaterThan(100);
    expect(told['deadletter']?.settled.size).toBeGreaterThan(100);
    expect(scheduled.size).toBeGreaterThan(10);
  });

  test('a restarted broker is found again, numbers go on, and queues, rules and times are as they were', async () => {
    const data = await folder();
    const options = { folder: data, durable: true, faults: new Faults(), rootKey: ROOT_KEY };
    let broker = await startServiceBus({ ...options, port: 0, adminPort: 0 });
    undo.push(() => broker.stop());
    const ports = { port: broker.port, adminPort: broker.adminPort };
    const admin = administration(withKey(ports.adminPort));
    const rule = {
      claimType: 'SharedAccessKey',
      keyName: 'rule',
      accessRights: ['Listen' as const],
      primaryKey: 'one',
      secondaryKey: 'two',
    };
    await admin.createQueue('lasting', { maxDeliveryCount: 2, authorizationRules: [rule] });
    const created = await admin.getQueue('lasting');
    const client = connect(ports.port);
    const sender = client.createSender('lasting');
    await sender.sendMessages([{ body: 'locked twice' }, { body: 'short', timeToLive: 300 }]);
    const last = await sender.scheduleMessages({ body: 'scheduled' }, new Date(Date.now() + 300));
    const receiver = client.createReceiver('lasting');
    const [first] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    expect(first?.body).toBe('locked twice');

    await broker.stop();
    await until(() => Date.now() > (first?.enqueuedTimeUtc?.getTime() ?? 0) + 350, 'times have passed while nobody was there');
    broker = await startServiceBus({ ...options, ...ports });

    expect(await admin.getQueue('lasting')).toEqual(created);
    await until(async () => (await admin.getQueueRuntimeProperties('lasting')).scheduledMessageCount === 0, 'the scheduled one is active');
    const again = await receiver.receiveMessages(2, { maxWaitTimeInMs: 5_000 });
    expect(again.map(({ body, deliveryCount }) => [body, deliveryCount])).toEqual([
      ['locked twice', 1],
      ['scheduled', 0],
    ]);
    expect(again[1]?.sequenceNumber?.greaterThan(last[0] ?? 0)).toBe(true);

    const bodies: unknown[] = [];
    const subscriber = connect(ports.port).createReceiver('lasting');
    subscriber.subscribe({ processMessage: async (message) => void bodies.push(message.body), processError: async () => {} });
    await sender.sendMessages({ body: 'before' });
    await until(() => bodies.includes('before'), 'the subscription is running');
    await broker.stop();
    broker = await startServiceBus({ ...options, ...ports });
    await until(
      () =>
        sender.sendMessages({ body: 'after' }).then(
          () => true,
          () => false,
        ),
      'the sender is back',
    );
    await until(() => bodies.includes('after'), 'the subscription is back');
    // Delivered twice in vain, once by each broker that stopped.
    const letters = await client.createReceiver('lasting', { subQueueType: 'deadLetter' }).peekMessages(5);
    expect(letters.map(({ body, deadLetterReason }) => [body, deadLetterReason])).toEqual([['locked twice', 'MaxDeliveryCountExceeded']]);
    await subscriber.close();
  });

  test('a folder and a port have one broker', async () => {
    const [data, other] = [await folder(), await folder()];
    const options = { port: 0, adminPort: 0, durable: true, faults: new Faults(), rootKey: ROOT_KEY };
    const broker = await startServiceBus({ ...options, folder: data });
    undo.push(() => broker.stop());
    await expect(startServiceBus({ ...options, folder: data })).rejects.toThrow('database is locked');
    await expect(startServiceBus({ ...options, folder: other, adminPort: broker.adminPort })).rejects.toThrow('EADDRINUSE');
    const next = await startServiceBus({ ...options, folder: other });
    await next.stop();
  });

  test('a broker that stops does so once, with clients attached and without', async () => {
    const broker = await startServiceBus({
      folder: ':memory:',
      port: 0,
      adminPort: 0,
      durable: false,
      faults: new Faults(),
      rootKey: ROOT_KEY,
    });
    const admin = administration(withKey(broker.adminPort));
    await admin.createQueue('any');
    const client = connect(broker.port);
    const failed: unknown[] = [];
    const receiver = client.createReceiver('any');
    receiver.subscribe({ processMessage: async () => {}, processError: async ({ error }) => void failed.push(error) });
    await client.createSender('any').sendMessages({ body: 1 });
    await Promise.all([broker.stop(), broker.stop()]);
    await broker.stop();
    await until(() => failed.length > 0, 'the subscription is told');
    await receiver.close();
  });
});
