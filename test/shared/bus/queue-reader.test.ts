// Reading a queue over the local broker (or the one the conformance suite is given), also while connections break.
import type { ServiceBusMessage } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bus } from '../../../shared/bus/bus.ts';
import { BusAdministration } from '../../../shared/bus/bus-administration.ts';
import { Namespaces } from '../../../shared/bus/namespaces.ts';
import { queueName, type TenantQueue } from '../../../shared/bus/queue-names.ts';
import type { QueueReader, ReceivedMessage } from '../../../shared/bus/queue-reader.ts';
import { parseConfig } from '../../../shared/config/config.ts';
import { DependencyError } from '../../../shared/errors/problem.ts';
import { AgentId, TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { local, SHORT_LOCK, startTarget, withKey } from '../../conformance/service-bus/target.ts';
import { settings } from '../config/settings.ts';

const target = await startTarget();
const config = parseConfig({
  ...settings,
  FLOWGRID_SERVICEBUS: withKey(target.port),
  FLOWGRID_INSECURE_SERVICEBUS_ADMIN: withKey(target.adminPort),
});
const namespaces = new Namespaces(config, async () => undefined);
const bus = new Bus(namespaces);
const administration = new BusAdministration(namespaces);
const scope = new TenantScope(TenantId.parse('acme'), 'identity');

const readers: QueueReader[] = [];
let count = 0;

beforeAll(() => administration.ensureQueue(scope, 'dlq'));
afterEach(async () => {
  target.faults.set([]);
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
});
afterAll(async () => {
  await bus.close();
  await target.stop();
});

async function newQueue(): Promise<TenantQueue> {
  const queue = { agent: AgentId.parse(`agent-${++count}`) };
  await administration.ensureQueue(scope, queue);
  return queue;
}

function readerOf(queue: TenantQueue, options?: { ofDeadLetters: boolean }): QueueReader {
  const reader = bus.reader(scope, queue, options);
  readers.push(reader);
  return reader;
}

async function send(queue: TenantQueue, from: number, to: number, more: Partial<ServiceBusMessage> = {}): Promise<void> {
  const sender = target.client().createSender(queueName(scope.tenantId, queue));
  const ids = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  await sender.sendMessages(ids.map((id) => ({ messageId: `m${id}`, body: { id }, ...more })));
}

const idsOf = (messages: readonly ReceivedMessage[]) => messages.map(({ messageId }) => messageId);

async function one(reader: QueueReader): Promise<ReceivedMessage> {
  const [message] = await reader.receive(1, 5_000);
  if (!message) throw new Error('no message came');
  return message;
}

describe('receiving', () => {
  it('gives what is there at once, no more than asked for', async () => {
    const queue = await newQueue();
    await send(queue, 1, 20);
    const reader = readerOf(queue);
    const start = performance.now();
    const first = await reader.receive(16, 5_000);
    const second = await reader.receive(16, 5_000);
    expect(idsOf([...first, ...second])).toEqual(Array.from({ length: 20 }, (_, at) => `m${at + 1}`));
    expect(first.length).toBeLessThanOrEqual(16);
    // The SDK's own way waits a second for more.
    expect(performance.now() - start).toBeLessThan(900);
    for (const message of [...first, ...second]) await reader.complete(message);
    expect(await reader.peek({ limit: 10 })).toEqual([]);
  });

  it('wakes for a message that comes while it waits, and gives nothing when none comes', async () => {
    const queue = await newQueue();
    const reader = readerOf(queue);
    expect(await reader.receive(4, 20)).toEqual([]);
    const waiting = reader.receive(4, 10_000);
    await send(queue, 1, 1);
    expect(idsOf(await waiting)).toEqual(['m1']);
  });

  it('shows a message as it was sent', async () => {
    const queue = await newQueue();
    await send(queue, 1, 1, { correlationId: 'c', applicationProperties: { traceparent: 't' } });
    const message = await one(readerOf(queue));
    expect(message).toEqual({
      messageId: 'm1',
      body: { id: 1 },
      sequenceNumber: '1',
      deliveryCount: 0,
      enqueuedAt: expect.any(Number),
      lockedUntil: expect.any(Number),
      deferred: false,
      properties: { traceparent: 't' },
      correlationId: 'c',
    });
    expect(message.lockedUntil).toBeGreaterThan(message.enqueuedAt);
  });

  it('locks nothing between two calls', async () => {
    const queue = await newQueue();
    const reader = readerOf(queue);
    expect(await reader.receive(8, 5)).toEqual([]);
    await send(queue, 1, 3);
    expect(idsOf(await readerOf(queue).receive(8, 5_000))).toContain('m1');
    expect(await reader.receive(8, 5)).toEqual([]);
  });
});

describe('settling', () => {
  it('gives each of many messages its own outcome, asked for at once', async () => {
    const queue = await newQueue();
    await send(queue, 1, 12);
    const reader = readerOf(queue);
    const messages: ReceivedMessage[] = [];
    while (messages.length < 12) messages.push(...(await reader.receive(12, 5_000)));
    await Promise.all(
      messages.map((message, at) => {
        if (at % 4 === 0) return reader.complete(message);
        if (at % 4 === 1) return reader.abandon(message);
        return at % 4 === 2 ? reader.defer(message) : reader.deadLetter(message, 'no_handler', 'nobody takes it');
      }),
    );
    const left = await reader.peek({ limit: 50 });
    expect(idsOf(left)).toEqual(['m2', 'm3', 'm6', 'm7', 'm10', 'm11']);
    expect(left.filter(({ deferred }) => deferred).map(({ messageId }) => messageId)).toEqual(['m3', 'm7', 'm11']);
    const letters = await readerOf('dlq').peek({ limit: 50 });
    expect(idsOf(letters)).toEqual(['m4', 'm8', 'm12']);
    expect(letters[0]).toMatchObject({
      reason: 'no_handler',
      description: 'nobody takes it',
      properties: { FlowGridReason: 'no_handler', FlowGridDescription: 'nobody takes it', FlowGridDeliveries: 1 },
    });
  });

  it('takes deferred messages by their numbers, leaving out those that are gone', async () => {
    const queue = await newQueue();
    await send(queue, 1, 3);
    const reader = readerOf(queue);
    const numbers: string[] = [];
    for (let at = 0; at < 3; at++) {
      const message = await one(reader);
      numbers.push(message.sequenceNumber);
      await reader.defer(message);
    }
    const [second] = await reader.receiveDeferred([numbers[1] ?? '']);
    expect(second).toMatchObject({ messageId: 'm2', deferred: true, deliveryCount: 1 });
    if (second) await reader.complete(second);
    expect(idsOf(await reader.receiveDeferred(numbers))).toEqual(['m1', 'm3']);
    expect(await reader.receiveDeferred(['99'])).toEqual([]);
    expect(await reader.receiveDeferred([])).toEqual([]);
  });

  it('reads what a queue could not deliver itself', async () => {
    await send('dlq', 90, 90, { timeToLive: 1 });
    const dead = readerOf('dlq', { ofDeadLetters: true });
    const [letter] = await dead.receive(1, 10_000);
    expect(letter).toMatchObject({ messageId: 'm90', reason: 'TTLExpiredException' });
    if (letter) await dead.complete(letter);
  });

  it('peeks from a sequence number on', async () => {
    const queue = await newQueue();
    await send(queue, 1, 6);
    const reader = readerOf(queue);
    const [first, ...rest] = await reader.peek({ limit: 3 });
    expect(idsOf([...(first ? [first] : []), ...rest])).toEqual(['m1', 'm2', 'm3']);
    expect(idsOf(await reader.peek({ from: rest[1]?.sequenceNumber ?? '', limit: 3 }))).toEqual(['m3', 'm4', 'm5']);
    expect(first).toMatchObject({ lockedUntil: 0 });
  });

  it('renews a lock, and says when it was lost', async () => {
    const queue = await newQueue();
    await send(queue, 1, 1);
    const reader = readerOf(queue);
    const message = await one(reader);
    expect(await reader.renew(message)).toBeGreaterThanOrEqual(message.lockedUntil);
    if (local) {
      target.faults.set([{ service: 'serviceBus', match: '^complete', rate: 1, effect: 'lockLost' }]);
      await expect(reader.complete(message)).rejects.toBeInstanceOf(DependencyError);
      target.faults.set([]);
      const again = await one(reader);
      expect(again.deliveryCount).toBe(1);
      await reader.complete(again);
    }
    expect(() => reader.complete({ ...message })).toThrow(TypeError);
  });
});

describe.runIf(local)('over connections that break', () => {
  it('loses nothing', async () => {
    const queue = { agent: AgentId.parse('short-locks') };
    await target.admin.createQueue(queueName(scope.tenantId, queue), { lockDuration: SHORT_LOCK, maxDeliveryCount: 1_000 });
    await send(queue, 1, 40);
    const reader = readerOf(queue);
    const seen = new Set<string>();
    target.faults.set([{ service: 'serviceBus', match: 'short_locks', rate: 0.1, effect: 'drop' }]);
    const settled = async () => (await reader.peek({ limit: 1 }).catch(() => undefined))?.length === 0;
    for (const end = Date.now() + 20_000; Date.now() < end; ) {
      const messages = await reader.receive(8, 300).catch(() => []);
      if (messages.length === 0 && (await settled())) break;
      for (const message of messages) seen.add(message.messageId);
      // One whose answer was lost is gone, or comes again when its lock ends.
      await Promise.all(messages.map((message) => reader.complete(message).catch(() => undefined)));
    }
    target.faults.set([]);
    expect(seen.size).toBe(40);
    expect(await reader.peek({ limit: 50 })).toEqual([]);
  });

  it('is a DependencyError when the service stays away, and works when it is back', async () => {
    const queue = await newQueue();
    await send(queue, 1, 1);
    const reader = readerOf(queue);
    target.faults.set([{ service: 'serviceBus', match: '^peek', rate: 1, effect: '429' }]);
    await expect(reader.peek({ limit: 1 })).rejects.toBeInstanceOf(DependencyError);
    target.faults.set([]);
    expect(idsOf(await reader.peek({ limit: 1 }))).toEqual(['m1']);
  });

  it('is a DependencyError at once where there is no queue', async () => {
    const reader = readerOf({ agent: AgentId.parse('nobody-made-it') });
    await expect(reader.receive(1, 1_000)).rejects.toBeInstanceOf(DependencyError);
    await expect(reader.peek({ limit: 1 })).rejects.toBeInstanceOf(DependencyError);
  });
});
