// The local Service Bus broker on disk beside the same broker in memory: 1 KB messages sent, received and completed by the SDK, 64 in flight.
// The broker and the load each run in a process of their own; a message counts when its completion is acknowledged.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { Faults } from '../local/faults.ts';
import { startServiceBus } from '../local/service-bus/start.ts';
import type { Figure } from './figure.ts';

const IN_FLIGHT = 64;
const MESSAGES = 3_000;
const ROUNDS = 5;
const GOAL = 0.6;
const ROOT_KEY = 'bench';

const connectionString = (port: number) =>
  `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=${ROOT_KEY};UseDevelopmentEmulator=true;`;

export async function bench(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-bench-'));
  const children: ChildProcess[] = [];
  try {
    const start = async (role: string, argument: string) => {
      const child = fork(import.meta.filename, [role, argument]);
      children.push(child);
      await answer(child);
      return child;
    };
    const rates: Record<string, number[]> = { disk: [], memory: [] };
    const loads: Record<string, ChildProcess> = {};
    for (const [name, place] of [['disk', folder] as const, ['memory', ':memory:'] as const]) {
      const broker = fork(import.meta.filename, ['broker', place]);
      children.push(broker);
      loads[name] = await start('load', String(await answer(broker)));
    }
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, load] of Object.entries(loads)) {
        load.send('round');
        const rate = Number(await answer(load));
        if (round >= 0) rates[name]?.push(rate);
      }
    }
    const [value, floor] = [median(rates['disk'] ?? []), median(rates['memory'] ?? [])];
    const ratio = value / floor;
    return [
      {
        name: 'service-bus/send-receive-complete',
        value: Math.round(value),
        unit: 'messages/s',
        floor: Math.round(floor),
        ratio: Math.round(ratio * 1_000) / 1_000,
        goal: GOAL,
        holds: ratio >= GOAL,
      },
    ];
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function answer(child: ChildProcess): Promise<unknown> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('a process of the benchmark ended');
    }),
  ]);
  return message;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function broker(folder: string): Promise<void> {
  const { port, adminPort } = await startServiceBus({
    folder,
    port: 0,
    adminPort: 0,
    durable: true,
    faults: new Faults(),
    rootKey: ROOT_KEY,
  });
  const administration = new ServiceBusAdministrationClient(connectionString(adminPort));
  administration.pipeline.addPolicy({
    name: 'plain http',
    sendRequest: (request, next) => {
      request.url = request.url.replace(/^https:/, 'http:');
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  await administration.createQueue('bench');
  process.send?.(port);
}

async function load(port: number): Promise<void> {
  const client = new ServiceBusClient(connectionString(port));
  const sender = client.createSender('bench');
  const receiver = client.createReceiver('bench');
  const body = 'x'.repeat(1_024);
  let completed = 0;
  let done = () => {};
  const subscription = {
    processMessage: async (message: Parameters<typeof receiver.completeMessage>[0]) => {
      await receiver.completeMessage(message);
      completed++;
      if (completed === MESSAGES) done();
    },
    processError: async ({ error }: { error: Error }) => {
      throw error;
    },
  };
  receiver.subscribe(subscription, { maxConcurrentCalls: IN_FLIGHT, autoCompleteMessages: false });
  process.on('message', () => {
    const finished = new Promise<void>((resolve) => {
      done = resolve;
    });
    completed = 0;
    let left = MESSAGES;
    const started = performance.now();
    const send = async () => {
      while (left-- > 0) await sender.sendMessages({ body });
    };
    Promise.all([finished, ...Array.from({ length: IN_FLIGHT }, send)]).then(
      () => process.send?.((MESSAGES / (performance.now() - started)) * 1_000),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  process.send?.('ready');
}

const [, script, role, argument = ''] = process.argv;
if (script === import.meta.filename) await (role === 'broker' ? broker(argument) : load(Number(argument)));
