// API keys from outside: made, listed, rotated and revoked, never wider than their maker, and dead on every host within two seconds.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { parseConfig } from '../../../shared/config/config.ts';
import { newApiKey } from '../../../shared/identity/api-keys.ts';
import { type Role, roles } from '../../../shared/identity/scopes.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { Cosmos } from '../../../shared/storage/cosmos.ts';
import { Epoch } from '../../../shared/storage/epoch.ts';
import { TenantStore } from '../../../shared/storage/tenant-store.ts';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { exampleValues } from '../../shared/config/settings.ts';
import { type Answer, Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { changesNothing, settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Made {
  readonly keyId: string;
  readonly key: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly role: Role | null;
  readonly agentId: string | null;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

interface Listed extends Omit<Made, 'key'> {
  readonly createdBy: string;
  readonly lastUsedAt: string | null;
  readonly rotatedTo: string | null;
}

let tenant: TestTenant;
let owner: Asker;
let path: string;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  path = `/tenants/${tenant.id}/api-keys`;
});

const make = (order: object, by = owner) => by.post<Made>(path, { name: 'a key', ...order });
const refused = (order: object, by = owner) => by.ask('POST', path, { json: { name: 'a key', ...order } });
const whoami = (key: string, host = here) => new Asker(host, key).ask<{ subject: string }>('GET', '/api/auth/whoami');
const statusOf = async (key: string, host = here) => (await whoami(key, host)).status;
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();

async function listOf(by: Asker, query = ''): Promise<Listed[]> {
  const items: Listed[] = [];
  let cursor = '';
  do {
    const page = await by.get<{ items: Listed[]; nextCursor: string | null }>(`${path}?limit=200${query}${cursor}`);
    items.push(...page.items);
    cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
  } while (cursor !== '');
  return items;
}

describe('POST /tenants/{tenantId}/api-keys', () => {
  test('makes a key that works on both hosts, a developer’s unless told otherwise', async () => {
    const answer = await owner.ask<Made>('POST', path, { json: { name: 'CI' } });
    expect(answer.status).toBe(201);
    const { body } = answer;
    expect(body).toEqual({
      keyId: expect.stringMatching(/^[a-z2-7]{12}$/),
      key: expect.stringMatching(new RegExp(`^fg_${tenant.id}_${body.keyId}_[a-z2-7]{52}[0-9a-f]{8}$`)),
      name: 'CI',
      scopes: expect.arrayContaining([...roles.developer]),
      role: 'developer',
      agentId: null,
      expiresAt: null,
      createdAt: expect.any(String),
    });
    expect(body.scopes).toHaveLength(roles.developer.length);
    for (const host of [here, there]) expect((await whoami(body.key, host)).body).toMatchObject({ subject: body.keyId, role: 'developer' });
  });

  test('takes scopes without a role, in one order and once', async () => {
    const { role, scopes, key } = await make({ scopes: ['tools:invoke', 'agents:read', 'tools:invoke'] });
    expect([role, scopes]).toEqual([null, ['agents:read', 'tools:invoke']]);
    problemOf(await new Asker(here, key).ask('GET', `/tenants/${tenant.id}`), 403, 'scope_missing');
  });

  test('narrows a role by scopes, and does not widen it', async () => {
    expect(await make({ role: 'viewer', scopes: ['tools:read'] })).toMatchObject({ role: 'viewer', scopes: ['tools:read'] });
    const { errors } = problemOf(await refused({ role: 'viewer', scopes: ['tools:invoke'] }), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/scopes']);
  });

  test.for([
    { name: '' },
    { name: 'x'.repeat(201) },
    { scopes: [] },
    { scopes: ['platform:tenants'] },
    { role: 'platform-admin' },
    { expiresAt: inSeconds(-1) },
    { expiresAt: inSeconds(11 * 366 * 86_400) },
    { expiresAt: 'tomorrow' },
    { agentId: 'orchestrator' },
    { key: 'fg_mine' },
    { sha256: 'x' },
  ])('refuses %j', async (order) => {
    problemOf(await refused(order), 400, 'validation_failed');
  });

  test('gives no more than the maker holds, by scopes nor by the name of a role', async () => {
    const maker = new Asker(here, (await make({ scopes: ['keys:manage', 'tools:read'] })).key);
    expect((await make({ scopes: ['tools:read'] }, maker)).scopes).toEqual(['tools:read']);
    const exceeded = async (order: object, by: Asker) =>
      (problemOf(await refused(order, by), 403, 'scope_exceeded') as { missing?: string[] }).missing;
    expect(await exceeded({ scopes: ['tools:read', 'tools:invoke'] }, maker)).toEqual(['tools:invoke']);
    expect(await exceeded({ role: 'auditor', scopes: ['audit:read'] }, maker)).toContain('audit:read');
    // Policies speak of roles: a role's name is as good as what it holds.
    expect(await exceeded({ role: 'viewer', scopes: ['tools:read'] }, maker)).toContain('agents:read');
    expect(await exceeded({}, maker)).toContain('agents:manage');
    const admin = new Asker(here, (await make({ role: 'admin' })).key);
    expect(await exceeded({ role: 'owner' }, admin)).toEqual(['tenant:write']);
    expect((await make({ role: 'admin' }, admin)).role).toBe('admin');
  });

  test('binds a key to an agent, and a maker who is bound to its own', async () => {
    const { key, ...bound } = await make({ agentId: 'night-watch' });
    expect(bound).toMatchObject({ agentId: 'night-watch', role: 'agent' });
    expect((await whoami(key)).body).toMatchObject({ agentId: 'night-watch' });
    const maker = new Asker(here, (await make({ agentId: 'maker', scopes: [...roles.agent, 'keys:manage'] })).key);
    expect(await make({}, maker)).toMatchObject({ agentId: 'maker', role: 'agent' });
    problemOf(await refused({ agentId: 'night-watch' }, maker), 403, 'agent_mismatch');
    problemOf(await maker.ask('POST', `${path}/${bound.keyId}/rotate`), 403, 'agent_mismatch');
    problemOf(await maker.ask('DELETE', `${path}/${bound.keyId}`), 403, 'agent_mismatch');
    expect(await statusOf(key)).toBe(200);
  });

  test('leaves an agent’s other keys alone when its environment is made', async () => {
    const { key } = await make({ agentId: 'poet' });
    const environment = () => owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/poet/environment`);
    const { FLOWGRID_API_TOKEN: first = '' } = await environment();
    await environment();
    expect([await statusOf(key), await statusOf(first)]).toEqual([200, 401]);
  });

  test('ends when it says', async () => {
    const { key, expiresAt } = await make({ expiresAt: inSeconds(1) });
    expect(await statusOf(key, here)).toBe(200);
    expect(await statusOf(key, there)).toBe(200);
    for (const host of [here, there]) await until('the key has expired', async () => (await statusOf(key, host)) === 401, promisedMs);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt ?? ''));
  });
});

test('a tenant has a thousand keys at most, and those that are over make room', async () => {
  const own = await newTenant(local);
  const scope = new TenantScope(TenantId.parse(own.id), 'identity');
  const twin = { FLOWGRID_COSMOS_ENDPOINT: local.cosmos.endpoint, FLOWGRID_INSECURE_COSMOS_KEY: local.cosmos.key };
  const cosmos = new Cosmos(parseConfig({ ...exampleValues, ...twin }));
  const partition = new TenantStore(cosmos, new Epoch(cosmos)).of(scope);
  const some = (count: number, expiresAt?: string) =>
    partition.commit(
      Array.from(
        { length: count },
        () => newApiKey(scope.tenantId, { name: 'one of many', role: 'viewer', expiresAt, createdBy: 'test' }).change,
      ),
    );
  for (let count = 0; count < 9; count++) await some(100);
  await some(98);
  const asker = new Asker(here, own.key);
  const create = () => asker.ask('POST', `/tenants/${own.id}/api-keys`, { json: { name: 'one more' } });
  expect((await create()).status).toBe(201);
  problemOf(await create(), 429, 'quota_exceeded');
  const { items } = await asker.get<{ items: Listed[] }>(`/tenants/${own.id}/api-keys?limit=2`);
  const [first] = items.filter(({ keyId }) => !own.key.includes(keyId));
  problemOf(
    await asker.ask('POST', `/tenants/${own.id}/api-keys/${first?.keyId}/rotate`, { json: { graceSeconds: 5 } }),
    429,
    'quota_exceeded',
  );
  expect((await asker.ask('POST', `/tenants/${own.id}/api-keys/${first?.keyId}/rotate`)).status).toBe(201);
  await some(1, '2026-01-01T00:00:00.000Z');
  expect((await create()).status).toBe(201);
});

describe('GET /tenants/{tenantId}/api-keys', () => {
  test('shows every key once, page by page, and nothing of its secret', async () => {
    const own = await newTenant(local);
    const asker = new Asker(there, own.key);
    const keys = `/tenants/${own.id}/api-keys`;
    const made = await Promise.all(Array.from({ length: 5 }, (_, at) => asker.post<Made>(keys, { name: `key ${at}`, role: 'viewer' })));
    const ids: string[] = [];
    for (let cursor = '', pages = 0; pages < 3; pages++) {
      const page = await asker.get<{ items: Listed[]; nextCursor: string | null }>(`${keys}?limit=2${cursor}`);
      ids.push(...page.items.map(({ keyId }) => keyId));
      cursor = `&cursor=${page.nextCursor}`;
      expect(page.nextCursor === null).toBe(pages === 2);
    }
    expect(ids).toEqual([...made.map(({ keyId }) => keyId), own.key.split('_')[2]].sort());
    const { body } = await asker.ask<{ items: Listed[] }>('GET', keys);
    const { key: _, ...first } = made[0] as Made;
    expect(body.items.find(({ keyId }) => keyId === first.keyId)).toEqual({
      ...first,
      createdBy: own.key.split('_')[2],
      lastUsedAt: null,
      rotatedTo: null,
    });
    for (const secret of made.map(({ key }) => key.split('_')[3] ?? '')) expect(JSON.stringify(body)).not.toContain(secret.slice(0, 20));
    expect(JSON.stringify(body)).not.toMatch(/sha256|[A-Za-z0-9+/]{43}=/);
    problemOf(await asker.ask('GET', `${keys}?cursor=x`), 400, 'cursor_invalid');
  });

  test('says to the hour when a key was last used', async () => {
    const { keyId, key, createdAt } = await make({ role: 'viewer' });
    const lastUsedAt = async () => (await listOf(owner)).find((each) => each.keyId === keyId)?.lastUsedAt ?? null;
    expect(await lastUsedAt()).toBeNull();
    expect(await statusOf(key, there)).toBe(200);
    await until('the use is noted', async () => (await lastUsedAt()) !== null);
    const noted = (await lastUsedAt()) ?? '';
    expect(noted === createdAt || /T\d\d:00:00\.000Z$/.test(noted)).toBe(true);
  });
});

describe('DELETE /tenants/{tenantId}/api-keys/{keyId}', () => {
  test('ends a key here at once and there within two seconds, and no other', async () => {
    const [gone, stays] = await Promise.all([make({}), make({})]);
    for (const host of [here, there]) expect([await statusOf(gone.key, host), await statusOf(stays.key, host)]).toEqual([200, 200]);
    const answer = await owner.ask('DELETE', `${path}/${gone.keyId}`);
    const answeredAt = performance.now();
    expect(answer.status).toBe(204);
    expect(await statusOf(gone.key)).toBe(401);
    await until('the other host has heard', async () => (await statusOf(gone.key, there)) === 401, promisedMs);
    console.log(`revoked on one host, refused by the other ${Math.round(performance.now() - answeredAt)} ms later`);
    for (const host of [here, there]) expect(await statusOf(stays.key, host)).toBe(200);
    expect((await listOf(owner)).map(({ keyId }) => keyId)).not.toContain(gone.keyId);
  });

  test('of one that is not there is a 404', async () => {
    const { keyId } = await make({});
    await owner.ask('DELETE', `${path}/${keyId}`);
    for (const id of [keyId, 'aaaaaaaaaaaa', 'nope', 'a%2Fb', '%20', 'x'.repeat(300)])
      problemOf(await owner.ask('DELETE', `${path}/${id}`), 404, 'not_found');
  });

  test('does not let a tenant lock itself out', async () => {
    const own = await newTenant(local);
    const asker = new Asker(here, own.key);
    const keys = `/tenants/${own.id}/api-keys`;
    const mine = `${keys}/${own.key.split('_')[2]}`;
    problemOf(await asker.ask('DELETE', mine), 409, 'last_key');
    await asker.post(keys, { name: 'no manager', role: 'developer' });
    await asker.post(keys, { name: 'not for good', role: 'owner', expiresAt: inSeconds(60) });
    problemOf(await asker.ask('DELETE', mine), 409, 'last_key');
    const { key: second } = await asker.post<Made>(keys, { name: 'second', role: 'admin' });
    const admin = new Asker(here, second);
    problemOf(await asker.ask('DELETE', mine), 409, 'last_key');
    problemOf(await admin.ask('DELETE', mine), 403, 'scope_exceeded');
    await asker.post(keys, { name: 'third', role: 'owner' });
    expect((await admin.ask('DELETE', `${keys}/${second.split('_')[2]}`)).status).toBe(204);
    expect((await asker.ask('DELETE', mine)).status).toBe(204);
    expect((await asker.ask('GET', keys)).status).toBe(401);
  });
});

describe('POST /tenants/{tenantId}/api-keys/{keyId}/rotate', () => {
  const rotate = (keyId: string, json?: object, by = owner): Promise<Answer<Made>> =>
    by.ask('POST', `${path}/${keyId}/rotate`, json && { json });

  test('puts another key in its place at once, on every host, that can do the same and ends when it would have', async () => {
    const { key, keyId, createdAt: _, ...old } = await make({ role: 'viewer', scopes: ['tools:read'], expiresAt: inSeconds(3_600) });
    expect(await statusOf(key, there)).toBe(200);
    const { status, body } = await rotate(keyId);
    const answeredAt = performance.now();
    expect(status).toBe(201);
    expect(body).toEqual({ ...old, keyId: expect.any(String), key: expect.stringMatching(/^fg_/), createdAt: expect.any(String) });
    expect(body.keyId).not.toBe(keyId);
    expect([await statusOf(key), await statusOf(body.key), await statusOf(body.key, there)]).toEqual([401, 200, 200]);
    await until('the other host has heard', async () => (await statusOf(key, there)) === 401, promisedMs);
    console.log(`rotated on one host, refused by the other ${Math.round(performance.now() - answeredAt)} ms later`);
    problemOf(await rotate(keyId), 404, 'not_found');
  });

  test('lets the old one work until its grace is over, and rotates it once', async () => {
    const { key, keyId } = await make({});
    const { body } = await rotate(keyId, { graceSeconds: 2 });
    for (const host of [here, there]) expect([await statusOf(key, host), await statusOf(body.key, host)]).toEqual([200, 200]);
    problemOf(await rotate(keyId, { graceSeconds: 60 }), 409, 'key_ended');
    const listed = (await listOf(owner)).find((each) => each.keyId === keyId);
    expect(listed).toMatchObject({ rotatedTo: body.keyId, expiresAt: expect.any(String) });
    for (const host of [here, there]) await until('the grace is over', async () => (await statusOf(key, host)) === 401, 2_000 + promisedMs);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(listed?.expiresAt ?? ''));
    expect(await statusOf(body.key)).toBe(200);
    expect((await owner.ask('DELETE', `${path}/${keyId}`)).status).toBe(204);
  });

  test('gives nobody a key that can do more than theirs', async () => {
    const { keyId, key } = await make({ role: 'admin' });
    const maker = new Asker(here, (await make({ scopes: ['keys:manage', 'tools:read'] })).key);
    problemOf(await rotate(keyId, {}, maker), 403, 'scope_exceeded');
    expect(await statusOf(key)).toBe(200);
  });

  test('works on the key it is called with', async () => {
    const own = await make({ role: 'admin' });
    const { status, body } = await rotate(own.keyId, { graceSeconds: 0 }, new Asker(there, own.key));
    expect([status, await statusOf(own.key, there), await statusOf(body.key, there)]).toEqual([201, 401, 200]);
  });

  test('refused, changes nothing', async () => {
    const { keyId, key } = await make({});
    await changesNothing(owner, tenant.id, async () => {
      for (const json of [{ graceSeconds: -1 }, { graceSeconds: 604_801 }, { graceSeconds: 1.5 }, { grace: 1 }])
        problemOf(await rotate(keyId, json), 400, 'validation_failed');
      problemOf(await rotate('nope'), 404, 'not_found');
    });
    expect(await statusOf(key)).toBe(200);
  });
});

test('every change stands in the ledger, without secret and hash', async () => {
  const own = await newTenant(local);
  const asker = new Asker(here, own.key);
  const keys = `/tenants/${own.id}/api-keys`;
  const made = await asker.post<Made>(keys, { name: 'watched', role: 'viewer' });
  const rotated = await asker.post<Made>(`${keys}/${made.keyId}/rotate`);
  await asker.ask('DELETE', `${keys}/${rotated.keyId}`);
  const events = (await settledTrail(asker, own.id)).filter(({ action }) => action.startsWith('key.'));
  expect(events).toMatchObject([
    { action: 'key.revoked', entity: { type: 'key', id: rotated.keyId }, old: { name: 'watched', role: 'viewer' } },
    { action: 'key.rotated', entity: { type: 'key', id: rotated.keyId }, old: { keyIds: [made.keyId] }, new: { role: 'viewer' } },
    { action: 'key.created', entity: { type: 'key', id: made.keyId }, new: { name: 'watched', scopes: made.scopes } },
  ]);
  const text = JSON.stringify(events);
  expect(text).not.toMatch(/sha256|[A-Za-z0-9+/]{43}=/);
  for (const { key } of [made, rotated]) expect(text).not.toContain(key.split('_')[3]);
});
