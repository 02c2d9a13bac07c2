// Agents register, renew and go.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { changesNothing, settledTrail } from '../trail.ts';
import { cards } from './cards.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Registered {
  readonly lease: { readonly ttlSeconds: number; readonly expiresAt: string };
  readonly queue: { readonly name: string; readonly state: string };
  readonly signing: { readonly keyId: string; readonly key?: string };
}

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local, { tier: 'enterprise' });
  owner = new Asker(here, tenant.key);
});

const register = (id: string, json: unknown, by = owner) => by.ask<Registered>('POST', `/api/registry/agents/${id}/register`, { json });
const unregister = (id: string, by = owner) => by.ask('DELETE', `/api/registry/agents/${id}/unregister`);
const agentKey = async (agentId: string) =>
  (await owner.post<{ FLOWGRID_API_TOKEN: string }>(`/tenants/${tenant.id}/agents/${agentId}/environment`)).FLOWGRID_API_TOKEN;

describe('POST /api/registry/agents/{id}/register', () => {
  test('answers 201 with lease, queue and key id, then 200', async () => {
    const first = await register('route-planner', { card: cardOf('Route') });
    expect(first.status).toBe(201);
    expect(first.body).toEqual({
      agentId: 'route-planner',
      status: 'running',
      delivery: 'pull',
      lease: { ttlSeconds: 60, expiresAt: expect.any(String) },
      queue: { name: `${tenant.id}-route_planner`, state: 'ready' },
      signing: { keyId: expect.stringMatching(/^[a-z0-9]{1,16}$/), algorithm: 'HMAC-SHA256' },
    });
    const left = Date.parse(first.body.lease.expiresAt) - Date.now();
    expect(left).toBeGreaterThan(45_000);
    expect(left).toBeLessThanOrEqual(60_000);

    const renewed = await register('route-planner', { card: cardOf('Route, better'), ttlSeconds: 3_600 });
    expect(renewed.status).toBe(200);
    expect(renewed.body.lease.ttlSeconds).toBe(3_600);
    expect(Date.parse(renewed.body.lease.expiresAt)).toBeGreaterThan(Date.parse(first.body.lease.expiresAt));
    expect(await owner.get('/api/registry/agents/route-planner')).toMatchObject({ name: 'Route, better' });
  });

  test('is seen at once here and within two seconds on the other host', async () => {
    await register('visible', { card: cardOf('Visible') });
    expect((await owner.ask('GET', '/api/registry/agents/visible')).status).toBe(200);
    await until(
      'the other host shows it',
      async () => (await owner.at(there).ask('GET', '/api/registry/agents/visible')).status === 200,
      promisedMs,
    );
    await unregister('visible');
    problemOf(await owner.ask('GET', '/api/registry/agents/visible'), 404, 'not_found');
    await until(
      'it is gone there',
      async () => (await owner.at(there).ask('GET', '/api/registry/agents/visible')).status === 404,
      promisedMs,
    );
  });

  test('gives the key to the agent itself and to nobody else', async () => {
    const agent = new Asker(here, await agentKey('secretive'));
    const own = await register('secretive', { card: cardOf('S') }, agent);
    expect(own.body.signing.key).toMatch(/^[\w-]{43}$/);
    const byOwner = await register('secretive', { card: cardOf('S') });
    expect(byOwner.body.signing).toEqual({ keyId: own.body.signing.keyId, algorithm: 'HMAC-SHA256' });
    problemOf(await register('other', { card: cardOf('O') }, agent), 403, 'agent_mismatch');
    problemOf(await owner.ask('GET', '/api/registry/agents/other'), 404, 'not_found');
  });

  test('takes push with an endpoint, over the shared queue or a dedicated one', async () => {
    const push = { card: cardOf('P'), delivery: 'push', endpoint: 'https://agents.example/hook' };
    expect((await register('pushed', push)).body).toMatchObject({
      delivery: 'push',
      queue: { name: `${tenant.id}-agents`, state: 'ready' },
    });
    expect((await register('pushed-own', { ...push, dedicatedQueue: true })).body).toMatchObject({
      queue: { name: `${tenant.id}-pushed_own`, state: 'ready' },
    });
    const { errors } = problemOf(await register('pushed-wrong', { card: cardOf('P'), delivery: 'push' }), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/endpoint']);
  });

  test.for(['0.2', '0.3', '1.0'] as const)('takes a card of A2A %s and serves it as it came', async (version) => {
    const id = `card-${version.replace('.', '')}`;
    expect((await register(id, { card: cards[version] })).status).toBe(201);
    expect(await owner.get(`/api/registry/agents/${id}?a2a=${version}`)).toEqual(cards[version]);
  });

  test.for([
    ['no card', { card: undefined }, '/card'],
    ['a card that is none', { card: 'card' }, '/card'],
    ['a card without a name', { card: { ...cardOf('x'), name: undefined } }, '/card/name'],
    ['a card with an empty description', { card: { ...cardOf('x'), description: '' } }, '/card/description'],
    ['a card without skills', { card: { ...cardOf('x'), skills: [] } }, '/card/skills'],
    ['a skill without tags', { card: { ...cardOf('x'), skills: [{ id: 'a', name: 'a', description: 'a' }] } }, '/card/skills/0/tags'],
    ['a card without interfaces', { card: { ...cardOf('x'), supportedInterfaces: [] } }, '/card/supportedInterfaces'],
    ['a 0.3 card without capabilities', { card: { ...cards['0.3'], capabilities: undefined } }, '/card/capabilities'],
    ['a short lease', { ttlSeconds: 9 }, '/ttlSeconds'],
    ['a long lease', { ttlSeconds: 3_601 }, '/ttlSeconds'],
    ['half a second', { ttlSeconds: 60.5 }, '/ttlSeconds'],
    ['another delivery', { delivery: 'pigeon' }, '/delivery'],
    ['an endpoint that is none', { endpoint: 'nowhere' }, '/endpoint'],
    ['an endpoint of another protocol', { endpoint: 'file:///etc/passwd' }, '/endpoint'],
    ['a health check that is none', { healthCheckUrl: 'javascript:alert(1)' }, '/healthCheckUrl'],
    ['metadata that is a list', { metadata: [] }, '/metadata'],
    ['an unknown field', { status: 'running' }, ''],
  ] as const)('refuses %s', async ([, wrong, pointer]) => {
    const { errors } = problemOf(await register('wrong', { card: cardOf('Wrong'), ...wrong }), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
    problemOf(await owner.ask('GET', '/api/registry/agents/wrong'), 404, 'not_found');
  });

  test.for([
    'a',
    'A-gent',
    '-agent',
    'agent-',
    'a--b',
    'a_b',
    'agents',
    'orchestrator',
    'dlq',
    'search',
    'a'.repeat(65),
    'a%20b',
    'a%2Fb',
    '%C3%A4gent',
  ])('refuses the id %s', async (id) => {
    problemOf(await register(id, { card: cardOf('Wrong') }), 400, 'validation_failed');
  });

  test('refuses what cannot be kept', async () => {
    const numbers = JSON.stringify({ card: { ...cardOf('Big'), x: '#' } }).replace('"#"', `[${'1e20,'.repeat(200_000)}1]`);
    const answer = await owner.ask('POST', '/api/registry/agents/too-big/register', {
      body: numbers,
      headers: { 'content-type': 'application/json' },
    });
    problemOf(answer, 413, 'payload_too_large');
  });

  test('refused, changes nothing, and is an event of its own, of which one caller cannot make many', async () => {
    const refused = await newTenant(local, { quotas: { maxAgents: 1 } });
    const asker = new Asker(here, refused.key);
    const own = await asker.post<{ FLOWGRID_API_TOKEN: string }>(`/tenants/${refused.id}/agents/bound/environment`);
    await register('present', { card: cardOf('x') }, asker);
    await asker.ask('PUT', `/tenants/${refused.id}/policies/no`, {
      body: 'forbid(principal, action == Action::"agent:register", resource == Agent::"forbidden");',
      headers: { 'content-type': 'text/plain' },
    });
    const fails = async (times: number) => {
      for (let count = 0; count < times; count++) problemOf(await register('nobody', { card: {} }, asker), 400, 'validation_failed');
    };
    await changesNothing(
      asker,
      refused.id,
      async () => {
        await fails(1);
        problemOf(await register('Nobody', { card: cardOf('x') }, asker), 400, 'validation_failed');
        problemOf(await register('forbidden', { card: cardOf('x') }, asker), 403, 'policy_denied');
        problemOf(await register('late', { card: cardOf('x') }, asker), 429, 'quota_exceeded');
        problemOf(await register('present', {}, new Asker(here, own.FLOWGRID_API_TOKEN)), 400, 'validation_failed');
      },
      ['validation_failed', 'validation_failed', 'policy_denied', 'quota_exceeded', 'validation_failed'].map(
        (code) => `registration_failed ${code}`,
      ),
    );
    await fails(20);
    const events = (await settledTrail(asker, refused.id)).filter(({ action }) => action === 'registration_failed');
    // Ten of the owner's, or twice as many where a minute ends meanwhile, and the one of the agent.
    expect(events.length).toBeGreaterThanOrEqual(11);
    expect(events.length).toBeLessThanOrEqual(21);
    expect(events.at(-1)).toMatchObject({ entity: { type: 'agent', id: 'nobody' }, outcome: 'failed', new: { attempts: 1 } });
    expect(events.find(({ code }) => code === 'policy_denied')).toMatchObject({ entity: { id: 'forbidden' }, outcome: 'denied' });
  });

  test('stands in the ledger, by whom it was done', async () => {
    const agent = new Asker(here, await agentKey('known'));
    const { headers } = await register('known', { card: cards['0.3'], ttlSeconds: 30 }, agent);
    await register('known', { card: cards['0.3'] });
    await unregister('known', agent);
    await unregister('known', agent);
    const events = (await settledTrail(owner, tenant.id)).filter(({ entity }) => entity.type === 'agent' && entity.id === 'known');
    expect(events.map(({ action, outcome, actor }) => [action, outcome, actor.type, actor.id])).toEqual([
      ['agent.unregistered', 'success', 'agent', 'known'],
      ['agent.renewed', 'success', 'key', tenant.key.split('_')[2]],
      ['agent.registered', 'success', 'agent', 'known'],
    ]);
    expect(events.at(-1)).toMatchObject({
      requestId: headers.get('x-request-id'),
      traceId: headers.get('traceparent')?.slice(3, 35),
      new: { delivery: 'pull', cardVersion: '0.3', ttlSeconds: 30 },
    });
  });

  test('stops at maxAgents, however many come at once on however many hosts', async () => {
    const small = await newTenant(local, { quotas: { maxAgents: 2 } });
    const by = [here, there, here, there, here].map((host) => new Asker(host, small.key));
    const answers = await Promise.all(by.map((asker, at) => register(`agent-${at}`, { card: cardOf('x') }, asker)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429);
    if (refused) expect(problemOf(refused, 429, 'quota_exceeded')).toMatchObject({ meter: 'maxAgents', limit: 2 });
    const asker = new Asker(here, small.key);
    const { items, total } = await asker.get<{ items: { agentId: string }[]; total: number }>('/api/registry/agents');
    expect(total).toBe(2);
    // One that is there may renew, and one that goes makes room.
    const [{ agentId = '' } = {}] = items;
    expect((await register(agentId, { card: cardOf('x') }, asker)).status).toBe(200);
    await unregister(agentId, asker);
    expect((await register('late', { card: cardOf('x') }, asker)).status).toBe(201);
  });
});

describe('DELETE /api/registry/agents/{id}/unregister', () => {
  test('is 204, also the second time and for what never was', async () => {
    await register('short', { card: cardOf('Short') });
    for (const id of ['short', 'short', 'never-was']) {
      const { status, body } = await unregister(id);
      expect([status, body]).toEqual([204, undefined]);
    }
  });

  test("leaves other agents and another agent's own alone", async () => {
    await register('stays', { card: cardOf('Stays') });
    const agent = new Asker(here, await agentKey('goes'));
    await register('goes', { card: cardOf('Goes') }, agent);
    problemOf(await unregister('stays', agent), 403, 'agent_mismatch');
    expect((await unregister('goes', agent)).status).toBe(204);
    expect((await owner.ask('GET', '/api/registry/agents/stays')).status).toBe(200);
  });

  test('refuses an id that is none, and a body', async () => {
    problemOf(await unregister('Not-An-Id'), 400, 'validation_failed');
    problemOf(await owner.ask('DELETE', '/api/registry/agents/stays/unregister', { json: { force: true } }), 400, 'validation_failed');
  });
});
