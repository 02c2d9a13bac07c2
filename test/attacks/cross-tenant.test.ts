// Naming another tenant: refused wherever it is named, recorded once in the caller's ledger and the platform's, and not at all in the other's.
import { CosmosClient } from '@azure/cosmos';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker, type Asking, problemOf } from '../functions/asker.ts';
import { type Event, settledTrail, trailOf } from '../functions/trail.ts';

const local = inject('local');

let victim: TestTenant;
let victims: Asker;
beforeAll(async () => {
  victim = await newTenant(local);
  victims = new Asker(local.api, victim.key);
  await victims.post('/api/registry/agents/target/register', { card: cardOf('Target'), ttlSeconds: 600 });
});

const attempts = async (asker: Asker, tenantId: string): Promise<Event[]> =>
  (await settledTrail(asker, tenantId)).filter(({ action }) => action === 'security.cross_tenant');

/** The events of the platform's own ledger, which no route shows yet. */
async function platformEvents(): Promise<Event[]> {
  const client = new CosmosClient({ ...local.cosmos, connectionPolicy: { enableEndpointDiscovery: false } });
  const { resources } = await client
    .database('flowgrid')
    .container('ledger')
    .items.query<{ body: { events: Event[] } }>("SELECT * FROM c WHERE c.type = 'segment'", { partitionKey: ['platform'] })
    .fetchAll();
  client.dispose();
  return resources.flatMap(({ body }) => body.events);
}

const places: [string, (caller: TestTenant) => [method: string, path: string, asking?: Asking], number][] = [
  ['path', () => ['GET', `/tenants/${victim.id}/audit`], 404],
  ['path', () => ['POST', `/tenants/${victim.id}/agents/target/environment`], 404],
  ['path', () => ['POST', `/tenants/${victim.id}/integrations/notion/credentials`, { json: { apiKey: 'planted' } }], 404],
  ['path', () => ['GET', `/tenants/no-such-tenant`], 404],
  ['query', () => ['GET', `/api/registry/agents?tenantId=${victim.id}`], 403],
  ['query', () => ['GET', `/api/v1/tools?tenant_id=${victim.id}`], 403],
  ['query', (caller) => ['GET', `/tenants/${caller.id}/quota?tenantId=${victim.id}`], 403],
  ['header', () => ['GET', '/api/registry/agents/target', { headers: { 'x-tenant-id': victim.id } }], 403],
  ['header', () => ['GET', '/api/auth/whoami', { headers: { 'X-TENANT-ID': victim.id } }], 403],
  ['body', () => ['POST', '/api/messages', { json: { to: 'target', messageType: 'x', payload: 1, tenantId: victim.id } }], 403],
  ['body', () => ['POST', '/api/v1/tools/invoke', { json: { toolId: 'notion.whoAmI', parameters: {}, tenantId: victim.id } }], 403],
  ['body', () => ['DELETE', '/api/registry/agents/target/unregister', { json: { tenantId: victim.id } }], 403],
  ['queue', () => ['POST', '/api/messaging/token', { json: { queue: `${victim.id}-target` } }], 403],
  ['queue', () => ['POST', '/api/messaging/token', { json: { queue: `${victim.id}-dlq` } }], 403],
];

describe('another tenant', () => {
  test.for(places)('in the %s', async ([place, attack, status]) => {
    const caller = await newTenant(local);
    const asker = new Asker(local.api, caller.key);
    const before = await settledTrail(victims, victim.id);
    const [method, path, asking] = attack(caller);
    const code = status === 404 ? 'not_found' : 'tenant_mismatch';
    const { requestId } = problemOf(await asker.ask(method, path, asking), status, code);

    const [event, ...more] = await attempts(asker, caller.id);
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      tenantId: caller.id,
      actor: { type: 'key', id: caller.key.split('_')[2], method: 'api-key' },
      entity: { type: 'function', id: expect.stringMatching(/^[a-z-]+$/) },
      outcome: 'denied',
      code,
      requestId,
      new: { place, attempts: 1 },
    });
    // Not even the name of the other tenant is kept.
    expect(JSON.stringify(event)).not.toContain(victim.id);
    expect(await settledTrail(victims, victim.id)).toEqual(before);
    await until('the platform knows of it', async () => (await platformEvents()).some((each) => each.requestId === requestId));
    const [told] = (await platformEvents()).filter((each) => each.requestId === requestId);
    expect(told).toMatchObject({ tenantId: 'platform', action: 'security.cross_tenant', new: { place, attempts: 1, tenantId: caller.id } });
  });

  test('in a cursor of its own', async () => {
    const caller = await newTenant(local);
    const asker = new Asker(local.api, caller.key);
    await victims.post('/api/registry/agents/second/register', { card: cardOf('Second'), ttlSeconds: 600 });
    const { nextCursor } = await victims.get<{ nextCursor: string }>('/api/registry/agents?limit=1');
    problemOf(await asker.ask('GET', `/api/registry/agents?limit=1&cursor=${nextCursor}`), 403, 'tenant_mismatch');
    expect(await attempts(asker, caller.id)).toMatchObject([{ code: 'tenant_mismatch', new: { place: 'cursor', attempts: 1 } }]);
  });

  test('answers as fast and in the same words whether it is there or not', async () => {
    const asker = new Asker(local.api, (await newTenant(local)).key);
    const answers = await Promise.all(
      [victim.id, 'acme', 'no-such-tenant', 'platform', 'Not An Id'].map((id) => asker.ask('GET', `/tenants/${id}/quota`)),
    );
    const seen = answers.map((answer) => ({ ...problemOf(answer, 404, 'not_found'), instance: '', requestId: '' }));
    for (const each of seen) expect(each).toEqual(seen[0]);
  });

  test('is told ten times a minute at most, for each caller', async () => {
    const caller = await newTenant(local);
    const asker = new Asker(local.api, caller.key);
    const { FLOWGRID_API_TOKEN: key } = await asker.post<Record<string, string>>(`/tenants/${caller.id}/agents/other/environment`);
    for (let count = 0; count < 13; count++) problemOf(await asker.ask('GET', `/tenants/${victim.id}`), 404, 'not_found');
    const agent = new Asker(local.api, key);
    problemOf(await agent.ask('GET', `/tenants/${victim.id}`), 404, 'not_found');
    const told = await attempts(asker, caller.id);
    expect(told.map(({ actor }) => actor.type).sort()).toEqual(['agent', ...Array<string>(10).fill('key')]);
  });

  test('is no attempt where it only shares an id: a plain miss', async () => {
    const caller = await newTenant(local);
    const asker = new Asker(local.api, caller.key);
    problemOf(await asker.ask('GET', '/api/registry/agents/target'), 404, 'not_found');
    problemOf(await asker.ask('POST', '/api/messages', { json: { to: 'target', messageType: 'x', payload: 1 } }), 404, 'agent_not_found');
    expect(await attempts(asker, caller.id)).toEqual([]);
  });

  test('is the platform team’s to name', async () => {
    const platform = new Asker(local.api, local.platformKey);
    expect((await platform.ask('GET', `/tenants/${victim.id}?tenantId=acme`, { headers: { 'x-tenant-id': 'globex' } })).status).toBe(200);
    // But what is a tenant's it does not see, whatever tenant that is.
    for (const path of ['audit', 'quota', 'integrations']) {
      problemOf(await platform.ask('GET', `/tenants/${victim.id}/${path}`), 403, 'scope_missing');
      problemOf(await platform.ask('GET', `/tenants/no-such-tenant/${path}`), 403, 'scope_missing');
    }
    expect(
      (await trailOf(victims, victim.id)).filter(({ actor, action }) => actor.type === 'platform' && action !== 'tenant.created'),
    ).toEqual([]);
  });
});
