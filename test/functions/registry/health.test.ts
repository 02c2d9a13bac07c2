// Health checks: begun by registering, one chain an agent, its messages once each; shown, told in the ledger, and never a way to inner addresses.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { iso, newId } from '../../../shared/clock/clock.ts';
import type { Services } from '../../../shared/compose.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import type { TenantScope } from '../../../shared/scope/scope.ts';
import { put } from '../../../shared/storage/documents.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { scopeOf, servicesBeside } from '../messages/beside.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const cause = { actor: { type: 'system', id: 'test', method: 'internal' }, requestId: newId() } as const;

/** By path: what is answered, 200 unless set; `hang` never answers. */
const answers = new Map<string, number | 'hang'>();
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url}`);
  const answer = answers.get(request.url ?? '') ?? 200;
  if (answer === 'hang') return;
  if (answer === 302) response.setHeader('location', '/elsewhere');
  response.writeHead(answer).end('what it says is its own business');
});

let tenant: TestTenant;
let owner: Asker;
let base = '';
let services: Services;
let scope: TenantScope;

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  // A listening TCP server has an address.
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  services = servicesBeside(local);
  scope = await scopeOf(services, tenant.key);
});
afterAll(async () => {
  await services.close();
  server.closeAllConnections();
  server.close();
});

const register = (id: string, healthCheckUrl: string, by = owner) =>
  by.post(`/api/registry/agents/${id}/register`, { card: cardOf(id), ttlSeconds: 60, healthCheckUrl });
const count = (path: string) => asked.filter((each) => each === `GET ${path}`).length;
interface Shown {
  readonly agentId: string;
  readonly health?: { readonly status: string; readonly checkedAt?: string; readonly detail?: string };
}
const healthOf = async (id: string, by = owner) =>
  (await by.get<{ items: Shown[] }>('/api/registry/agents?status=all')).items.find(({ agentId }) => agentId === id)?.health;
const becomes = (id: string, status: string, by = owner) =>
  until(`${id} is ${status}`, async () => (await healthOf(id, by))?.status === status);

/** Where an agent's chain stands. */
const State = z.looseObject({ chain: z.uuid(), turn: z.int(), hasEnded: z.boolean(), isSent: z.boolean() });
const States = { container: 'work', bucket: 'health', type: 'agent-health', schema: State } as const;
async function stateOf(id: string): Promise<z.infer<typeof State> | undefined> {
  return (await services.store.of(scope).read(States, id))?.body;
}
/** As somebody who died would have left it. */
async function leave(id: string, change: object): Promise<void> {
  const state = await stateOf(id);
  if (!state) throw new Error(`${id} has no chain`);
  await services.store.of(scope).commit([put(States, id, { ...state, ...change })]);
}
/** Brings the message of this turn, as the queue would. */
async function bring(id: string, chain: string, turn: number): Promise<void> {
  await services.healthChecks.run(scope, cause, { kind: 'health', tenantId: scope.tenantId, agentId: AgentId.parse(id), chain, turn });
  await services.healthChecks.flush();
}

describe('the health of an agent', () => {
  test('is asked for when it registers, shown on every host, and told in the ledger', async () => {
    await register('well', `${base}/well`);
    await becomes('well', 'healthy');
    await becomes('well', 'healthy', owner.at(there));
    expect(await healthOf('well')).toEqual({ status: 'healthy', checkedAt: expect.any(String) });
    const events = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'agent.health_changed');
    expect(events).toMatchObject([
      { entity: { type: 'agent', id: 'well' }, old: { status: 'unknown' }, new: { status: 'healthy' }, actor: { id: 'dispatch' } },
    ]);
  });

  test.for([
    ['failing', 503, 'answered 503'],
    ['moved', 302, 'answered 302'],
  ] as const)('says why it is bad: %s', async ([id, status, detail]) => {
    answers.set(`/${id}`, status);
    await register(id, `${base}/${id}`);
    await becomes(id, 'unhealthy');
    expect(await healthOf(id)).toMatchObject({ detail });
    expect(count('/elsewhere')).toBe(0);
  });

  test('of an address that may not be called is bad, and nobody is called', async () => {
    await register('inward', 'http://169.254.169.254/latest/meta-data');
    await becomes('inward', 'unhealthy');
    expect(await healthOf('inward')).toMatchObject({ detail: 'not an address that may be called' });
  });

  test('does not say whether it runs', async () => {
    await becomes('failing', 'unhealthy');
    const { items } = await owner.get<{ items: { agentId: string; status: string }[] }>('/api/registry/agents/search?skill=anything');
    expect(items.find(({ agentId }) => agentId === 'failing')).toMatchObject({ status: 'running' });
  });

  test('is not there for an agent without an address', async () => {
    await owner.post('/api/registry/agents/private/register', { card: cardOf('private') });
    expect(await healthOf('private')).toBeUndefined();
  });
});

describe('the chain of checks', () => {
  test('is one, however often and wherever the agent registers', async () => {
    await Promise.all([here, there, here, there, here, there].map((host) => register('eager', `${base}/eager`, owner.at(host))));
    await becomes('eager', 'healthy');
    for (const host of [here, there]) await register('eager', `${base}/eager`, owner.at(host));
    expect(await stateOf('eager')).toMatchObject({ turn: 1 });
    expect(count('/eager')).toBe(1);
  });

  test('takes each turn once, however often its message comes', async () => {
    await register('copied', `${base}/copied`);
    await becomes('copied', 'healthy');
    const { chain = '' } = (await stateOf('copied')) ?? {};
    answers.set('/copied', 500);
    await Promise.all([1, 2, 3, 4].map(() => bring('copied', chain, 1)));
    expect([count('/copied'), await stateOf('copied')]).toMatchObject([2, { turn: 2, isSent: true }]);
    await becomes('copied', 'unhealthy');
    for (const turn of [0, 1, 3, 7]) await bring('copied', chain, turn);
    await bring('copied', newId(), 2);
    expect([count('/copied'), await stateOf('copied')]).toMatchObject([2, { turn: 2 }]);
    const told = (await settledTrail(owner, tenant.id)).filter(
      ({ action, entity }) => action.endsWith('health_changed') && entity.id === 'copied',
    );
    expect(told.map((event) => event.new?.['status'])).toEqual(['unhealthy', 'healthy']);
  });

  test('goes on where somebody died who had taken a turn and not sent the next, and is still one', async () => {
    await register('orphaned', `${base}/orphaned`);
    await becomes('orphaned', 'healthy');
    const { chain = '' } = (await stateOf('orphaned')) ?? {};
    const before = iso(Date.now() - 25_000);
    await leave('orphaned', { turn: 2, isSent: false, takenAt: iso(), dueAt: before });
    await bring('orphaned', chain, 1);
    // Whoever took it may be about to send.
    expect(await stateOf('orphaned')).toMatchObject({ turn: 2, isSent: false });
    await leave('orphaned', { takenAt: before });
    await bring('orphaned', chain, 1);
    await until('the host has had the next one', async () => (await stateOf('orphaned'))?.turn === 3);
    await bring('orphaned', chain, 1);
    await until('it was asked', async () => count('/orphaned') === 2);
    expect(await stateOf('orphaned')).toMatchObject({ turn: 3 });
  });

  test('begins anew where its message was lost', async () => {
    await register('lost', `${base}/lost`);
    await becomes('lost', 'healthy');
    const { chain } = (await stateOf('lost')) ?? {};
    await leave('lost', { dueAt: iso(Date.now() - 61_000) });
    await register('lost', `${base}/lost`);
    await until('it is asked again', async () => count('/lost') === 2);
    expect((await stateOf('lost'))?.chain).not.toBe(chain);
  });

  test('ends with the agent, and begins anew with it', async () => {
    await register('brief', `${base}/brief`);
    await becomes('brief', 'healthy');
    const { chain = '' } = (await stateOf('brief')) ?? {};
    await owner.ask('DELETE', '/api/registry/agents/brief/unregister');
    await bring('brief', chain, 1);
    expect([count('/brief'), await stateOf('brief')]).toEqual([1, undefined]);
    await register('brief', `${base}/brief`, owner.at(there));
    await until('it is asked again', async () => count('/brief') === 2);
    expect((await stateOf('brief'))?.chain).not.toBe(chain);
  });

  test('ends when the agent gives no address any more', async () => {
    await register('shy', `${base}/shy`);
    await becomes('shy', 'healthy');
    const { chain = '' } = (await stateOf('shy')) ?? {};
    await owner.post('/api/registry/agents/shy/register', { card: cardOf('shy') });
    await bring('shy', chain, 1);
    expect([count('/shy'), await stateOf('shy'), await healthOf('shy')]).toEqual([1, undefined, undefined]);
  });

  test('rests while the tenant is suspended, and goes on when the agent comes back', async () => {
    await register('rested', `${base}/rested`);
    await becomes('rested', 'healthy');
    const { chain = '' } = (await stateOf('rested')) ?? {};
    const platform = new Asker(here, local.platformKey);
    await platform.post(`/tenants/${tenant.id}/suspend`);
    await services.tenantRecords.read(scope);
    await until('this process knows', async () => (await services.tenantRecords.of(scope))?.status === 'suspended');
    await bring('rested', chain, 1);
    expect([count('/rested'), await stateOf('rested')]).toMatchObject([1, { hasEnded: true }]);
    await platform.post(`/tenants/${tenant.id}/resume`);
    await until('it goes on', async () => {
      const { status } = await owner.ask('POST', '/api/registry/agents/rested/register', {
        json: { card: cardOf('rested'), ttlSeconds: 60, healthCheckUrl: `${base}/rested` },
      });
      return status < 300 && count('/rested') === 2;
    });
  });

  test('waits for nobody who does not answer', async () => {
    answers.set('/silent', 'hang');
    await Promise.all([1, 2, 3, 4, 5, 6].map((n) => register(`silent-${n}`, `${base}/silent`)));
    await register('after', `${base}/after`);
    await until('all turns are taken', async () =>
      (await Promise.all([1, 2, 3, 4, 5, 6].map((n) => stateOf(`silent-${n}`)))).every((state) => state?.turn === 1),
    );
    await becomes('silent-1', 'unhealthy');
  });
});
