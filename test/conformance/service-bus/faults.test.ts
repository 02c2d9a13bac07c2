// Faults on request, as the SDK sees them.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { local, startTarget, type Target, until } from './target.ts';

describe.runIf(local)('faults', () => {
  let target: Target;
  beforeAll(async () => {
    target = await startTarget();
  });
  afterAll(() => target.stop());
  afterEach(() => target.faults.set([]));

  const patient = { maxWaitTimeInMs: 8_000 };
  type Effect = '429' | '500' | 'latency' | 'drop' | 'lockLost';
  const play = (match: string, effect: Effect, ms?: number) =>
    target.faults.set([{ service: 'serviceBus', match, rate: 1, effect, ...(ms !== undefined && { ms }) }]);
  async function locked(queue: string, body: unknown) {
    const client = target.client();
    await client.createSender(queue).sendMessages({ body });
    const receiver = client.createReceiver(queue);
    const [message] = await receiver.receiveMessages(1, patient);
    if (!message) throw new Error('no message came');
    return { receiver, message };
  }

  test('a throttled or failing send says so and keeps nothing', async () => {
    const queue = await target.queue();
    const sender = target.client().createSender(queue);
    await sender.sendMessages({ body: 'before' });
    play(`^send ${queue}$`, '429');
    await expect(sender.sendMessages({ body: 'no' })).rejects.toMatchObject({ code: 'ServiceBusy', retryable: true });
    play(`^send ${queue}$`, '500');
    await expect(sender.sendMessages({ body: 'no' })).rejects.toMatchObject({ message: expect.stringContaining('InternalServerError') });
    await target
      .client()
      .createSender(await target.queue())
      .sendMessages({ body: 'elsewhere' });
    target.faults.set([]);
    await sender.sendMessages({ body: 'after' });
    expect((await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(2);
  });

  test('an SDK that retries gets through a throttled broker', async () => {
    const queue = await target.queue();
    const { receiver, message } = await locked(queue, 1);
    play(`^complete ${queue}$`, '429');
    await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: 'ServiceBusy' });
    play(`^renew ${queue}$`, '429');
    await expect(receiver.renewMessageLock(message)).rejects.toMatchObject({ code: 'ServiceBusy' });
  });

  test('a lost lock gives the message to the next', async () => {
    const queue = await target.queue();
    const { receiver, message } = await locked(queue, 'lost');
    play(`^complete ${queue}$`, 'lockLost');
    await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: 'MessageLockLost' });
    const [again] = await receiver.receiveMessages(1, patient);
    expect(again).toMatchObject({ body: 'lost', deliveryCount: 1 });
    play(`^renew ${queue}$`, 'lockLost');
    if (again) await expect(receiver.renewMessageLock(again)).rejects.toMatchObject({ code: 'MessageLockLost' });
    expect(await receiver.receiveMessages(1, patient)).toMatchObject([{ body: 'lost', deliveryCount: 2 }]);
  });

  test('latency only delays', async () => {
    const queue = await target.queue();
    play(`^(send|receive|complete|attach|put-token) ${queue}$`, 'latency', 60);
    const started = performance.now();
    const { receiver, message } = await locked(queue, 'slow');
    await receiver.completeMessage(message);
    expect(performance.now() - started).toBeGreaterThan(5 * 60);
    expect((await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(0);
  });

  test('a dropped connection leaves the caller unsure, and a retry may send twice but never loses', async () => {
    const queue = await target.queue();
    // The SDK waits its whole time for the answer to what was under way.
    const client = target.client(undefined, 300);
    const sender = client.createSender(queue);
    let acknowledged = 0;
    target.faults.set([{ service: 'serviceBus', match: `^send ${queue}$`, rate: 0.3, effect: 'drop' }]);
    for (let tries = 0; acknowledged < 15 && tries < 100; tries++) {
      await sender.sendMessages({ body: acknowledged }).then(
        () => acknowledged++,
        () => {},
      );
    }
    target.faults.set([]);
    expect(acknowledged).toBe(15);
    const kept = new Set((await client.createReceiver(queue).peekMessages(100)).map(({ body }) => body));
    expect(kept).toEqual(new Set(Array.from({ length: 15 }, (_, body) => body)));
  });

  test('a subscription comes back after its deliveries were dropped or refused', async () => {
    const queue = await target.queue({ lockDuration: 'PT1S', maxDeliveryCount: 100 });
    const client = target.client();
    await client.createSender(queue).sendMessages(Array.from({ length: 20 }, (_, body) => ({ body })));
    target.faults.set([
      { service: 'serviceBus', match: `^receive ${queue}$`, rate: 0.1, effect: 'drop' },
      { service: 'serviceBus', match: `^receive ${queue}$`, rate: 0.1, effect: '500' },
    ]);
    const receiver = client.createReceiver(queue);
    receiver.subscribe({ processMessage: async () => {}, processError: async () => {} }, { maxConcurrentCalls: 4 });
    await until(async () => (await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount === 0, 'all are completed');
    await receiver.close();
  });

  test('a delivery that failed is no delivery', async () => {
    const queue = await target.queue();
    const client = target.client();
    await client.createSender(queue).sendMessages({ body: 'still here' });
    play(`^receive ${queue}$`, '500');
    await expect(client.createReceiver(queue).receiveMessages(1, patient)).rejects.toThrow('InternalServerError');
    target.faults.set([]);
    expect(await client.createReceiver(queue).receiveMessages(1, patient)).toMatchObject([{ body: 'still here', deliveryCount: 0 }]);
  });

  test('tokens and attaches fail too', async () => {
    const queue = await target.queue();
    play(`^put-token ${queue}$`, '429');
    await expect(target.client().createReceiver(queue).receiveMessages(1)).rejects.toMatchObject({ code: 'ServiceBusy' });
    play(`^attach ${queue}$`, '500');
    await expect(target.client().createReceiver(queue).receiveMessages(1)).rejects.toMatchObject({
      message: expect.stringContaining('InternalServerError'),
    });
  });

  test('the administration is throttled in its own words', async () => {
    play('^PUT /', '429');
    await expect(target.queue()).rejects.toMatchObject({ code: 'ServerBusyError', statusCode: 503 });
    play('^PUT /', '500');
    await expect(target.queue()).rejects.toMatchObject({ statusCode: 500 });
  });

  test('what is asked of the broker is counted: work, polling and administration, but not waiting', async () => {
    const { serviceBus: before = {} } = target.faults.operations.all.counts;
    const known = { ...before };
    const queue = await target.queue();
    const { receiver, message } = await locked(queue, 'counted');
    await receiver.completeMessage(message);
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 50 })).toEqual([]);
    const counted = { ...target.faults.operations.all.counts['serviceBus'] };
    const more = Object.fromEntries(Object.entries(counted).map(([verb, count]) => [verb, count - (known[verb] ?? 0)]));
    expect(more).toMatchObject({ PUT: 1, send: 1, receive: 1, complete: 1, 'receive-nothing': 1 });
    const waiting = receiver.receiveMessages(1, { maxWaitTimeInMs: 300 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(target.faults.operations.all.counts['serviceBus']).toEqual(counted);
    await waiting;
  });
});
