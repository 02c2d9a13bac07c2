// Agents say that they run. What leases come to in time is proved in test/shared/registry/index/two-instances.test.ts.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Beaten {
  readonly status: string;
  readonly lease: { readonly ttlSeconds: number; readonly expiresAt: string };
}

let tenant: TestTenant;
let owner: Asker;
let agent: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  for (const id of ['alive', 'other'])
    await owner.post(`/api/registry/agents/${id}/register`, {
      card: cardOf(id),
      delivery: 'push',
      endpoint: 'https://agents.example/hook',
    });
  const environment = await owner.post<{ FLOWGRID_API_TOKEN: string }>(`/tenants/${tenant.id}/agents/alive/environment`);
  agent = new Asker(here, environment.FLOWGRID_API_TOKEN);
});

const beat = (id: string, by: Asker, json?: unknown) =>
  by.ask<Beaten>('POST', `/api/registry/agents/${id}/heartbeat`, json === undefined ? {} : { json });

describe('POST /api/registry/agents/{id}/heartbeat', () => {
  test('answers the lease that holds, on every host, with or without a body', async () => {
    for (const [by, json] of [
      [agent, undefined],
      [agent, {}],
      [agent.at(there), { load: 0.5, metrics: { queued: 3 } }],
      [owner, { load: 0 }],
    ] as const) {
      const { status, body } = await beat('alive', by, json);
      expect(status).toBe(200);
      expect(body).toEqual({ status: 'running', signing: { keyIds: ['k1'] }, lease: { ttlSeconds: 60, expiresAt: expect.any(String) } });
      const leftMs = Date.parse(body.lease.expiresAt) - Date.now();
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(60_000);
    }
  });

  test('is for the agent itself, and for who is bound to none', async () => {
    problemOf(await beat('other', agent), 403, 'agent_mismatch');
  });

  test('is 404 for who is not registered, and after unregistering', async () => {
    problemOf(await beat('never-was', owner), 404, 'agent_not_found');
    await owner.post('/api/registry/agents/brief/register', { card: cardOf('Brief'), delivery: 'push', endpoint: 'https://a.example' });
    expect((await beat('brief', owner)).status).toBe(200);
    await owner.ask('DELETE', '/api/registry/agents/brief/unregister');
    problemOf(await beat('brief', owner), 404, 'agent_not_found');
  });

  test.for([
    ['a negative load', { load: -1 }, '/load'],
    ['a load that is none', { load: 'high' }, '/load'],
    ['metrics that are no numbers', { metrics: { a: 'b' } }, '/metrics/a'],
    ['too many metrics', { metrics: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`m${at}`, at])) }, '/metrics'],
    ['an unknown field', { status: 'running' }, ''],
  ] as const)('refuses %s', async ([, json, pointer]) => {
    const { errors } = problemOf(await beat('alive', agent, json), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
  });

  test('leaves nothing in the ledger: it is not news', async () => {
    const before = await settledTrail(owner, tenant.id);
    await beat('alive', agent);
    const known = new Set(before.map(({ id }) => id));
    const added = (await settledTrail(owner, tenant.id)).filter(({ id, action }) => !known.has(id) && action !== 'lane.opened');
    expect(added).toEqual([]);
  });
});
