// The dispatcher, in the host of this very process and with handlers that do nothing but wait. How long from the doorbell to the handler, beside a bare message
// over the same broker; and what ten backlogged tenants get when one of them offers fifty times as much, beside the same without slots and quantum.
import { globSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ServiceBusClient } from '@azure/service-bus';
import { startFunctionsHost } from '../local/functions-host/host.ts';
import { hostSettings } from '../local/start/host-settings.ts';
import { ensureInfrastructure } from '../local/start/infrastructure.ts';
import type { LocalJson } from '../local/start/local-json.ts';
import { readOptions } from '../local/start/options.ts';
import { readSecrets } from '../local/start/secrets.ts';
import { theServices } from '../shared/compose.ts';
import { Dispatcher, type Shares, usual } from '../shared/messaging/dispatch/dispatcher.ts';
import { sign } from '../shared/messaging/signature.ts';
import type { TenantScope } from '../shared/scope/scope.ts';
import { dataFolder, newTenant, startFlowGrid, until } from '../test/flowgrid.ts';
import { scopeOf } from '../test/functions/messages/beside.ts';
import type { Figure } from './figure.ts';

const [rings, warmUp, latencyGoalMs] = [200, 50, 20];
/** What each of the tenants offers, and what the first one does. */
const [tenants, offered, hogOffers] = [10, 200, 10_000];
const rounds = 5;
const [fairnessGoal, totalGoal] = [0.95, 0.9];
/** An endpoint nearby. */
const handlerMs = 10;
/** Nobody is held back for the sake of another: the same turns, as many of them as there is work. */
const unthrottled: Shares = { ...usual, slots: { standard: 32, premium: 32, enterprise: 32 } };
const root = fileURLToPath(new URL('..', import.meta.url));

export async function bench(): Promise<Figure[]> {
  const folder = dataFolder();
  const twin = await startFlowGrid(folder.path, '--ephemeral', '--only', 'twin');
  const options = readOptions([]);
  if (!options.ok) throw new Error('no options are no problem');
  const settings = {
    ...hostSettings(twin.local, readSecrets(folder.path), 'http://127.0.0.1:7071', options.value),
    FLOWGRID_LOG_LEVEL: 'error',
  };
  const host = await startFunctionsHost({ root, port: 0, settings, load });
  try {
    const local = { ...twin.local, api: host.url };
    return [await latency(local), ...(await fairness(local))];
  } finally {
    await host.stop(2_000);
    await twin.stop();
    folder.remove();
  }
}

async function load(): Promise<void> {
  await ensureInfrastructure();
  for (const file of globSync('functions/**/*.ts', { cwd: root }).sort()) await import(new URL(`../${file}`, import.meta.url).href);
}

/** Has the dispatcher of this process hand every message of these tenants to `handle`, and answer no ring of others. */
function dispatchTo(scopes: readonly TenantScope[], handle: (scope: TenantScope) => Promise<void>, shares?: Shares): void {
  const services = theServices();
  const messageHandling = {
    handle: async (scope: TenantScope) => {
      await handle(scope);
      return { kind: 'complete' } as const;
    },
  };
  const real = new Dispatcher({ ...services, messageHandling }, shares);
  const answer: Dispatcher['answer'] = async (candidate, call, again) => {
    if (scopes.some(({ tenantId }) => tenantId === candidate.tenantId)) await real.answer(candidate, call, again);
  };
  Object.assign(services, { dispatcher: { answer } });
}

/** Puts a signed message on the tenant's orchestrator queue, and does not ring for it. */
async function put(scope: TenantScope): Promise<void> {
  const { bus, signingKeys } = theServices();
  const key = await signingKeys.of(scope, 'orchestrator');
  if (!key) throw new Error('the tenant is made');
  const unsigned = {
    messageId: crypto.randomUUID(),
    tenantId: scope.tenantId,
    agentId: 'sender',
    to: 'orchestrator',
    messageType: 'bench',
    payload: { text: 'x'.repeat(256) },
    timestamp: new Date().toISOString(),
  };
  const { messageId } = unsigned;
  await bus.send(scope, 'orchestrator', { messageId, body: { ...unsigned, signature: sign(unsigned, key) } });
}

async function latency(local: LocalJson): Promise<Figure> {
  const tenant = await newTenant(local);
  const scope = await scopeOf(theServices(), tenant.key);
  let handled = Promise.withResolvers<number>();
  dispatchTo([scope], async () => handled.resolve(performance.now()));
  const times: number[] = [];
  for (let count = -warmUp; count < rings; count++) {
    await put(scope);
    const start = performance.now();
    await theServices().doorbell.ring(scope.tenantId, 'orchestrator');
    const time = (await handled.promise) - start;
    if (count >= 0) times.push(time);
    handled = Promise.withResolvers();
    // The turn before looks for more until it is over: this message shall need a ring of its own.
    await wait(80);
  }
  const [value, floor] = [median(times), await bareMessage(local, `${scope.tenantId}-dlq`)];
  const name = 'dispatch/doorbell-to-handler';
  return { name, value, unit: 'ms (p50)', floor, ratio: value / floor, goal: latencyGoalMs, holds: value <= latencyGoalMs };
}

/** From a sender to a listener of the unmodified SDK, milliseconds. */
async function bareMessage({ serviceBus }: LocalJson, queue: string): Promise<number> {
  const client = new ServiceBusClient(serviceBus.connectionString);
  let received = Promise.withResolvers<number>();
  client.createReceiver(queue, { receiveMode: 'receiveAndDelete' }).subscribe({
    processMessage: async () => received.resolve(performance.now()),
    processError: async ({ error }) => received.reject(error),
  });
  const sender = client.createSender(queue);
  const times: number[] = [];
  for (let count = -warmUp; count < rings; count++) {
    const start = performance.now();
    await sender.sendMessages({ body: {} });
    const time = (await received.promise) - start;
    if (count >= 0) times.push(time);
    received = Promise.withResolvers();
  }
  await client.close();
  return median(times);
}

async function fairness(local: LocalJson): Promise<Figure[]> {
  // Whoever is first finds nothing compiled and no line open.
  await drain(local);
  const all = [usual, unthrottled].map((shares) => ({ shares, runs: [] as Drained[] }));
  // In turns, so that a machine that slows down does so for all of them.
  for (let round = 0; round < rounds; round++) for (const { shares, runs } of all) runs.push(await drain(local, shares));
  const [held, free] = all.map(({ runs }) => middleOf(runs));
  if (!held || !free) throw new Error('there were runs');
  const [fair, total] = [jainOf(held.counts), held.perSecond / free.perSecond];
  const beside = jainOf(free.counts);
  return [
    {
      name: 'dispatch/fairness',
      value: fair,
      unit: 'Jain',
      floor: beside,
      ratio: fair / beside,
      goal: fairnessGoal,
      holds: fair >= fairnessGoal,
    },
    {
      name: 'dispatch/backlog',
      value: held.perSecond,
      unit: 'messages/s',
      floor: free.perSecond,
      ratio: total,
      goal: totalGoal,
      holds: total >= totalGoal,
    },
  ];
}

interface Drained {
  readonly counts: readonly number[];
  readonly perSecond: number;
}

/** What new tenants are delivered, each of which has a backlog until the first is through with it. */
async function drain(local: LocalJson, shares: Shares = usual): Promise<Drained> {
  const made = await Promise.all(Array.from({ length: tenants }, () => newTenant(local)));
  const scopes = await Promise.all(made.map(({ key }) => scopeOf(theServices(), key)));
  const counts = new Map(scopes.map(({ tenantId }) => [tenantId, 0]));
  const handle = async ({ tenantId }: TenantScope) => {
    await wait(handlerMs);
    counts.set(tenantId, (counts.get(tenantId) ?? 0) + 1);
  };
  dispatchTo(scopes, handle, shares);
  const [hog, ...others] = scopes;
  if (!hog) throw new Error('there are tenants');
  await Promise.all([...others.map((scope) => putMany(scope, offered)), putMany(hog, hogOffers)]);
  const start = performance.now();
  await Promise.all(scopes.map(({ tenantId }) => theServices().doorbell.ring(tenantId, 'orchestrator')));
  await until('one is through', async () => [...counts.values()].some((count) => count >= offered), 120_000);
  const seconds = (performance.now() - start) / 1_000;
  const delivered = [...counts.values()];
  // What is left is not in the way of the next.
  dispatchTo([], handle);
  return { counts: delivered, perSecond: delivered.reduce((sum, each) => sum + each, 0) / seconds };
}

async function putMany(scope: TenantScope, count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (left-- > 0) await put(scope);
    }),
  );
}

/** Jain's index of what was delivered: 1 when all got the same. */
function jainOf(counts: readonly number[]): number {
  const sum = counts.reduce((all, each) => all + each, 0);
  return sum ** 2 / (counts.length * counts.reduce((all, each) => all + each ** 2, 0));
}

/** The run of median throughput. */
function middleOf(runs: readonly Drained[]): Drained | undefined {
  return runs.toSorted((a, b) => a.perSecond - b.perSecond)[runs.length >> 1];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
