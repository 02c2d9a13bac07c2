// The audit trail: whole events, newest first, by what is asked for, page by page while more are written.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { type Event, settledTrail, trailOf } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let tenant: TestTenant;
let owner: Asker;
let events: Event[];

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  for (const id of ['one', 'two', 'three']) await owner.post(`/api/registry/agents/${id}/register`, { card: cardOf(id) });
  const { FLOWGRID_API_TOKEN: key } = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/one/environment`);
  const agent = new Asker(here, key);
  await agent.post('/api/messages', { to: 'two', messageType: 'x', payload: null });
  problemOf(await agent.ask('POST', '/api/registry/agents/two/register', { json: { card: cardOf('two') } }), 403, 'agent_mismatch');
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
  await agent.post('/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} });
  await owner.ask('DELETE', '/api/registry/agents/three/unregister');
  events = await settledTrail(owner, tenant.id);
});

describe('GET /tenants/{tenantId}/audit', () => {
  test('tells everything that happened, in order', () => {
    const told = events.map(({ action, outcome, actor }) => `${action} ${outcome} ${actor.type}`).reverse();
    for (const expected of [
      'platform.assumed success system',
      'tenant.created success platform',
      'tenant.provisioned success system',
      'agent.registered success key',
      'key.created success key',
      'message.sent success agent',
      'registration_failed denied agent',
      'credential.stored success key',
      'tenant_credential_access success agent',
      'tool.attempted unknown agent',
      'tool.invoked success agent',
      'agent.unregistered success key',
    ])
      expect(told).toContain(expected);
    expect(told.at(-1)).toBe('agent.unregistered success key');
  });

  test('with whole events', () => {
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    for (const event of events) {
      expect(event).toMatchObject({
        id: `${event.lane}:${event.seq}`,
        seq: expect.any(Number),
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        tenantId: tenant.id,
        actor: { type: expect.any(String), id: expect.stringMatching(/./), method: expect.any(String) },
        action: expect.stringMatching(/^([a-z]+\.[a-z_]+|tenant_credential_access|registration_failed)$/),
        entity: { type: expect.stringMatching(/./), id: expect.stringMatching(/./) },
        outcome: expect.stringMatching(/^(success|denied|failed|unknown)$/),
        requestId: expect.stringMatching(/./),
      });
      expect(event.code !== undefined).toBe(event.outcome === 'denied' || event.outcome === 'failed');
    }
  });

  test('numbered without a gap in each lane', () => {
    for (const lane of new Set(events.map((event) => event.lane))) {
      const numbers = events.filter((event) => event.lane === lane).map(({ seq }) => seq);
      // The marks of the test itself are left out of `events`, and they are last in their lane.
      expect(numbers.toReversed()).toEqual(numbers.map((_, at) => at + 1));
    }
  });

  test('newest first, the same on both hosts', async () => {
    const at = events.map((event) => event.at);
    expect(at).toEqual(at.toSorted().reverse());
    await until(
      'the other host tells the same',
      async () => {
        const known = new Set((await trailOf(owner.at(there), tenant.id)).map(({ id }) => id));
        return events.every(({ id }) => known.has(id));
      },
      promisedMs,
    );
  });

  const list = (query: string) => trailOf(owner, tenant.id, query);

  test('by actor, action, entity', async () => {
    const keyId = tenant.key.split('_')[2] ?? '';
    const same = (found: Event[], wanted: (event: Event) => boolean) => {
      const expected = events.filter(wanted).map(({ id }) => id);
      expect(expected).not.toHaveLength(0);
      // The marks that settle the trail are the owner's own events.
      expect(found.filter(({ code, action }) => code !== 'agent_mismatch' || action !== 'queue.token_issued').map(({ id }) => id)).toEqual(
        expected,
      );
    };
    same(await list('&actor=one'), ({ actor }) => actor.id === 'one');
    same(await list(`&actor=${keyId}`), ({ actor }) => actor.id === keyId);
    same(await list('&action=agent.registered'), ({ action }) => action === 'agent.registered');
    same(await list('&entity=agent:one'), ({ entity }) => entity.type === 'agent' && entity.id === 'one');
    same(await list('&entity=tool:notion.whoAmI'), ({ entity }) => entity.type === 'tool');
    same(
      await list(`&action=agent.registered&entity=agent:two&actor=${keyId}`),
      ({ action, entity }) => action === 'agent.registered' && entity.id === 'two',
    );
    for (const query of ['&actor=nobody', '&action=agent.registere', '&entity=agent:nobody', '&entity=key:one'])
      expect(await list(query)).toEqual([]);
  });

  test('from an instant, up to before another', async () => {
    const middle = events[Math.floor(events.length / 2)]?.at ?? '';
    const from = (await list(`&from=${middle}`)).map(({ at }) => at);
    const to = (await list(`&to=${middle}`)).map(({ at }) => at);
    expect(from).toContain(middle);
    expect(from.every((at) => at >= middle)).toBe(true);
    expect(to.every((at) => at < middle)).toBe(true);
    expect(to.length + from.length).toBeGreaterThanOrEqual(events.length);
    expect(await list(`&from=${middle}&to=${middle}`)).toEqual([]);
    // The same instant written otherwise.
    expect((await list(`&to=${middle.replace('Z', '000Z')}`)).map(({ at }) => at)).toEqual(to);
    expect(await list('&from=2999-01-01T00:00:00Z')).toEqual([]);
    expect(await list('&to=2000-01-01T00:00:00Z')).toEqual([]);
  });

  test('page by page, each event once, while others are written on both hosts', async () => {
    const busy = await newTenant(local);
    const by = new Asker(here, busy.key);
    const renew = (asker: Asker) => asker.ask('POST', '/api/registry/agents/busy/register', { json: { card: cardOf('busy') } });
    for (let round = 0; round < 26; round++) await Promise.all([renew(by), renew(by.at(there))]);
    const before = await settledTrail(by, busy.id);
    expect(before.length).toBeGreaterThan(52);
    const { items } = await by.get<{ items: Event[] }>(`/tenants/${busy.id}/audit`);
    expect(items).toHaveLength(50);

    let reading = true;
    const writing = Promise.all(
      [by, by.at(there)].map(async (asker) => {
        for (let left = 40; reading && left > 0; left--) await renew(asker);
      }),
    );
    for (const limit of [4, 9]) {
      const seen = (await trailOf(by, busy.id, '', limit)).map(({ id }) => id);
      expect(new Set(seen).size).toBe(seen.length);
      expect(before.map(({ id }) => id).filter((id) => !seen.includes(id))).toEqual([]);
    }
    reading = false;
    await writing;
  });

  test.for([
    ['limit=0', '/query/limit'],
    ['limit=201', '/query/limit'],
    ['limit=1.5', '/query/limit'],
    ['actor=', '/query/actor'],
    ['action=', '/query/action'],
    [`action=${'x'.repeat(257)}`, '/query/action'],
    ['entity=agent', '/query/entity'],
    ['entity=:one', '/query/entity'],
    ['entity=agent:', '/query/entity'],
    ['from=yesterday', '/query/from'],
    ['from=2026-02-30T00:00:00Z', '/query/from'],
    ['to=2026-01-01', '/query/to'],
    ['to=2026-01-01T00:00:00', '/query/to'],
    ['to=2026-01-01T00:00:00%2B01:00', '/query/to'],
  ] as const)('refuses %s', async ([query, pointer]) => {
    const { errors } = problemOf(await owner.ask('GET', `/tenants/${tenant.id}/audit?${query}`), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
  });

  test.for(['x', 'W10', Buffer.from('["T","audit-list",{"at":"never","id":"x"}]').toString('base64url')])(
    'refuses the cursor %s',
    async (cursor) => {
      const own = Buffer.from(Buffer.from(cursor, 'base64url').toString().replace('"T"', `"${tenant.id}"`)).toString('base64url');
      problemOf(await owner.ask('GET', `/tenants/${tenant.id}/audit?cursor=${cursor.length > 5 ? own : cursor}`), 400, 'cursor_invalid');
    },
  );

  test('is not for agents', async () => {
    const { FLOWGRID_API_TOKEN: key } = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/two/environment`);
    expect(problemOf(await new Asker(here, key).ask('GET', `/tenants/${tenant.id}/audit`), 403, 'scope_missing')).toMatchObject({
      missing: ['audit:read'],
    });
  });
});
