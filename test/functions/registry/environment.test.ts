// What an agent is started with: its own key, made anew each time, in two forms.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { changesNothing, settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
type Environment = Record<string, string>;

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
});

const path = (agentId: string) => `/tenants/${tenant.id}/agents/${agentId}/environment`;

describe('POST /tenants/{tenantId}/agents/{agentId}/environment', () => {
  test('answers the names of the seed', async () => {
    const { status, headers, body } = await owner.ask<Environment>('POST', path('night-watch'));
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(body).toEqual({
      FLOWGRID_TENANT_ID: tenant.id,
      FLOWGRID_TENANT_SECRET: expect.stringMatching(/^[a-z0-9]{1,16}\.[\w-]{43}$/),
      AGENT_ID: 'night-watch',
      AGENT_NAME: 'night-watch',
      FLOWGRID_REGISTRY_URL: here,
      FLOWGRID_API_TOKEN: expect.stringMatching(new RegExp(`^fg_${tenant.id}_[a-z2-7]{12}_[a-z2-7]{52}[0-9a-f]{8}$`)),
      SERVICEBUS_QUEUE_NAME: `${tenant.id}-agents`,
      SERVICEBUS_DEDICATED_QUEUE: `${tenant.id}-night_watch`,
    });
  });

  test('takes the name from the card, and dotenv by Accept', async () => {
    await owner.post('/api/registry/agents/poet/register', { card: cardOf('Poet "of" the $HOME # hill\\') });
    const { headers, body } = await owner.ask<string>('POST', path('poet'), { headers: { accept: 'text/plain' } });
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const lines = body.trimEnd().split('\n');
    expect(lines.map((line) => line.split('=')[0])).toEqual([
      'FLOWGRID_TENANT_ID',
      'FLOWGRID_TENANT_SECRET',
      'AGENT_ID',
      'AGENT_NAME',
      'FLOWGRID_REGISTRY_URL',
      'FLOWGRID_API_TOKEN',
      'SERVICEBUS_QUEUE_NAME',
      'SERVICEBUS_DEDICATED_QUEUE',
    ]);
    expect(lines).toContain('AGENT_NAME="Poet \\"of\\" the $HOME # hill\\\\"');
    expect(lines).toContain(`FLOWGRID_TENANT_ID=${tenant.id}`);
    for (const accept of ['application/json', '*/*', 'application/json, text/plain'])
      expect((await owner.ask('POST', path('poet'), { headers: { accept } })).headers.get('content-type')).toBe('application/json');
  });

  test('the key before it is dead at once here and within two seconds there, the one of another agent lives', async () => {
    const first = await owner.post<Environment>(path('rotated'));
    const other = await owner.post<Environment>(path('other'));
    const status = async (host: string, { FLOWGRID_API_TOKEN: key }: Environment) =>
      (await new Asker(host, key).ask('GET', '/api/auth/whoami')).status;
    for (const host of [here, there]) expect([await status(host, first), await status(host, other)]).toEqual([200, 200]);

    const second = await owner.post<Environment>(path('rotated'));
    expect(second['FLOWGRID_API_TOKEN']).not.toBe(first['FLOWGRID_API_TOKEN']);
    expect({ ...second, FLOWGRID_API_TOKEN: '' }).toEqual({ ...first, FLOWGRID_API_TOKEN: '' });
    expect([await status(here, first), await status(here, second)]).toEqual([401, 200]);
    await until('the old key is dead there', async () => (await status(there, first)) === 401, promisedMs);
    for (const host of [here, there]) expect([await status(host, second), await status(host, other)]).toEqual([200, 200]);
  });

  test('leaves one key in force, however many are made at once', async () => {
    const made = await Promise.all([here, there, here, there].map((host) => owner.at(host).post<Environment>(path('contended'))));
    await until(
      'one is left on both hosts',
      async () => {
        const statuses = await Promise.all(
          [here, there].flatMap((host) => made.map(({ FLOWGRID_API_TOKEN: key }) => new Asker(host, key).ask('GET', '/api/auth/whoami'))),
        );
        return statuses.filter(({ status }) => status === 200).length === 2;
      },
      promisedMs,
    );
  });

  test('stands in the ledger without the key', async () => {
    const first = await owner.post<Environment>(path('on-record'));
    const second = await owner.post<Environment>(path('on-record'));
    const [one, two] = [first, second].map(({ FLOWGRID_API_TOKEN: key = '' }) => key.split('_')[2]);
    const events = (await settledTrail(owner, tenant.id)).filter((event) => event.new?.['agentId'] === 'on-record');
    expect(events).toMatchObject([
      { action: 'key.rotated', entity: { type: 'key', id: two }, old: { keyIds: [one] }, new: { role: 'agent' } },
      { action: 'key.created', entity: { type: 'key', id: one } },
    ]);
    for (const secret of [first, second].flatMap((each) => [each['FLOWGRID_API_TOKEN'], each['FLOWGRID_TENANT_SECRET']?.slice(3)]))
      expect(JSON.stringify(events)).not.toContain(secret);
  });

  test.for(['a', 'Agent', 'orchestrator', 'agents', 'a_b', 'x'.repeat(65)])('refuses the id %s', async (id) => {
    const { errors } = problemOf(await owner.ask('POST', path(id)), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/path/agentId']);
  });

  test('refused, changes nothing and leaves the key in force', async () => {
    const { FLOWGRID_API_TOKEN: key } = await owner.post<Environment>(path('steady'));
    await changesNothing(owner, tenant.id, async () => {
      problemOf(await owner.ask('POST', path('steady'), { json: { rotate: true } }), 400, 'validation_failed');
      problemOf(
        await owner.ask('POST', path('steady'), { body: '{', headers: { 'content-type': 'application/json' } }),
        400,
        'invalid_json',
      );
      problemOf(
        await owner.ask('POST', path('steady'), { body: 'x=1', headers: { 'content-type': 'text/plain' } }),
        415,
        'unsupported_media_type',
      );
    });
    expect((await new Asker(here, key).ask('GET', '/api/auth/whoami')).status).toBe(200);
  });

  test('is not for agents, not even about themselves', async () => {
    const { FLOWGRID_API_TOKEN: key } = await owner.post<Environment>(path('ambitious'));
    await changesNothing(
      owner,
      tenant.id,
      async () => {
        problemOf(await new Asker(here, key).ask('POST', path('ambitious')), 403, 'scope_missing');
      },
      ['key.created scope_missing'],
    );
  });
});
