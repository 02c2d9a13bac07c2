// The members of a tenant: who may make whom what, and that a tenant keeps an owner.
import { createHash } from 'node:crypto';
import { CosmosClient } from '@azure/cosmos';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { makeKey } from '../../../shared/identity/key-text.ts';
import { roles } from '../../../shared/identity/scopes.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const platform = new Asker(here, local.platformKey);
const database = new CosmosClient({ ...local.cosmos, connectionPolicy: { enableEndpointDiscovery: false } }).database('flowgrid');
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

interface Shown {
  readonly subject: string;
  readonly role: string;
  readonly groups: readonly string[];
}

let tenant: TestTenant;
let owner: Asker;
const path = (subject: string, of = tenant.id) => `/tenants/${of}/members/${encodeURIComponent(subject)}`;
const write = (subject: string, json: unknown, headers: Record<string, string> = {}, by = owner) =>
  by.ask<Shown>('PUT', path(subject), { json, headers });

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
});

describe('a member', () => {
  test('is made, changed, shown and removed, on every host', async () => {
    const made = await write('auth0|ada', { role: 'developer', groups: ['Platform Team', 'on-call', 'on-call'] });
    expect(made.status).toBe(201);
    const member = {
      subject: 'auth0|ada',
      role: 'developer',
      groups: ['Platform Team', 'on-call'],
      createdAt: instant,
      updatedAt: instant,
    };
    expect(made.body).toEqual(member);
    for (const host of [here, there]) {
      const shown = await owner.at(host).ask('GET', path('auth0|ada'));
      expect([shown.status, shown.body, shown.headers.get('etag')]).toEqual([200, made.body, made.headers.get('etag')]);
    }
    const changed = await write('auth0|ada', { role: 'viewer' });
    expect([changed.status, changed.body]).toEqual([200, { ...made.body, role: 'viewer', groups: [], updatedAt: instant }]);
    expect((await owner.ask('DELETE', path('auth0|ada'))).status).toBe(204);
    expect((await owner.ask('DELETE', path('auth0|ada'))).status).toBe(204);
    problemOf(await owner.ask('GET', path('auth0|ada')), 404, 'not_found');
  });

  test.for(['a', 'https://idp.example/users?id=1#x', '~2f', 'a%b', 'ada@example.com', 'x'.repeat(200), '\\\\', '{"a":1}'])(
    'may be called %s',
    async (subject) => {
      expect((await write(subject, { role: 'viewer' })).status).toBe(201);
      expect(await owner.get(path(subject))).toMatchObject({ subject });
      const { items } = await owner.get<{ items: Shown[] }>(`/tenants/${tenant.id}/members?limit=200`);
      expect(items.filter((item) => item.subject === subject)).toHaveLength(1);
      expect((await owner.ask('DELETE', path(subject))).status).toBe(204);
    },
  );

  test.for([
    ['a space', 'a b', { role: 'viewer' }, '/path/subject'],
    ['another script', 'ä', { role: 'viewer' }, '/path/subject'],
    ['too long a subject', 'x'.repeat(201), { role: 'viewer' }, '/path/subject'],
    ['no role', 'a', {}, '/role'],
    ['a role of the platform', 'a', { role: 'platform-admin' }, '/role'],
    ['an empty group', 'a', { role: 'viewer', groups: [''] }, '/groups/0'],
    ['a long group', 'a', { role: 'viewer', groups: ['x'.repeat(65)] }, '/groups/0'],
    ['a control character in a group', 'a', { role: 'viewer', groups: ['a\nb'] }, '/groups/0'],
    ['too many groups', 'a', { role: 'viewer', groups: Array.from({ length: 51 }, (_, at) => `g${at}`) }, '/groups'],
    ['an unknown field', 'a', { role: 'viewer', admin: true }, ''],
  ] as const)('is refused with %s', async ([, subject, body, pointer]) => {
    const { errors } = problemOf(await write(subject, body), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
  });

  test('is changed only as the version that was seen', async () => {
    const made = await write('versioned', { role: 'viewer' });
    const etag = made.headers.get('etag') ?? '';
    expect((await owner.ask('GET', path('versioned'), { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await write('versioned', { role: 'agent' }, { 'if-match': etag })).status).toBe(200);
    problemOf(await write('versioned', { role: 'owner' }, { 'if-match': etag }), 412, 'precondition_failed');
    problemOf(await owner.ask('DELETE', path('versioned'), { headers: { 'if-match': etag } }), 412, 'precondition_failed');
    problemOf(await write('versioned', { role: 'viewer' }, { 'if-none-match': '*' }), 412, 'precondition_failed');
    problemOf(await write('not-there', { role: 'viewer' }, { 'if-match': '*' }), 412, 'precondition_failed');
    expect(await owner.get(path('versioned'))).toMatchObject({ role: 'agent' });
  });

  test('stands in the ledger with what was and what is', async () => {
    await write('trailed', { role: 'viewer', groups: ['a'] });
    await write('trailed', { role: 'developer' });
    await owner.ask('DELETE', path('trailed'));
    const events = (await settledTrail(owner, tenant.id)).filter(({ entity }) => entity.id === 'trailed').reverse();
    expect(events.map(({ action, entity }) => [action, entity.type])).toEqual([
      ['member.written', 'member'],
      ['member.written', 'member'],
      ['member.removed', 'member'],
    ]);
    expect(events).toMatchObject([
      { new: { role: 'viewer', groups: ['a'] } },
      { old: { role: 'viewer', groups: ['a'] }, new: { role: 'developer', groups: [] } },
      { old: { role: 'developer', groups: [] } },
    ]);
  });
});

test('the last owner stays, however many go at once', async () => {
  const other = await newTenant(local);
  const by = new Asker(here, other.key);
  const put = (subject: string, role: string, host = here) => by.at(host).ask('PUT', path(subject, other.id), { json: { role } });
  await put('a', 'owner');
  problemOf(await put('a', 'viewer'), 409, 'last_owner');
  problemOf(await by.ask('DELETE', path('a', other.id)), 409, 'last_owner');
  expect((await put('a', 'owner')).status).toBe(200);
  await Promise.all(['b', 'c', 'd'].map((subject) => put(subject, 'owner')));
  const answers = await Promise.all([
    put('a', 'viewer'),
    put('b', 'admin', there),
    by.ask('DELETE', path('c', other.id)),
    by.at(there).ask('DELETE', path('d', other.id)),
  ]);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(1);
  const { items } = await by.get<{ items: Shown[] }>(`/tenants/${other.id}/members`);
  expect(items.filter(({ role }) => role === 'owner')).toHaveLength(1);
});

test('a list goes page by page and names everybody once', async () => {
  const other = await newTenant(local);
  const by = new Asker(here, other.key);
  const subjects = ['zed', 'a/b', 'A', 'b', 'c~'];
  for (const subject of subjects) await by.ask('PUT', path(subject, other.id), { json: { role: 'viewer' } });
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await by.get<{ items: Shown[]; nextCursor: string | null }>(
      `/tenants/${other.id}/members?limit=2${cursor && `&cursor=${cursor}`}`,
    );
    expect(page.items.length).toBeLessThanOrEqual(2);
    seen.push(...page.items.map(({ subject }) => subject));
    cursor = page.nextCursor ?? '';
  } while (cursor !== '');
  expect(seen.toSorted()).toEqual(subjects.toSorted());
});

describe('is not for', () => {
  test('an agent, nor for the platform team', async () => {
    const { FLOWGRID_API_TOKEN: key } = await owner.post<{ FLOWGRID_API_TOKEN: string }>(`/tenants/${tenant.id}/agents/small/environment`);
    await owner.post('/api/registry/agents/small/register', { card: cardOf('Small') });
    for (const by of [new Asker(here, key), platform]) {
      for (const [method, json] of [['PUT', { role: 'viewer' }], ['DELETE'], ['GET']] as const)
        problemOf(await by.ask(method, path('a'), json ? { json } : {}), 403, 'scope_missing');
      problemOf(await by.ask('GET', `/tenants/${tenant.id}/members`), 403, 'scope_missing');
    }
  });
});

test('a change is seen on the other host', async () => {
  await write('seen', { role: 'viewer' });
  await until('it is there', async () => (await owner.at(there).ask('GET', path('seen'))).status === 200, promisedMs);
});

test('the list of a person’s tenants says what is so, however members come and go', async () => {
  const [one, two] = await Promise.all([newTenant(local), newTenant(local)]);
  const subject = `person-${one.id}`;
  const name = `membership:${createHash('sha256').update(subject).digest('base64url')}`;
  const item = database.container('platform').item(name, name);
  const listed = async (): Promise<string[]> => (await item.read()).resource?.body.tenants ?? [];
  const [inOne, inTwo] = [one, two].map(({ id, key }) => ({
    join: (host = here) => new Asker(host, key).ask('PUT', path(subject, id), { json: { role: 'viewer' } }),
    leave: (host = here) => new Asker(host, key).ask('DELETE', path(subject, id)),
    is: async () => (await new Asker(here, key).ask('GET', path(subject, id))).status === 200,
  }));
  if (!inOne || !inTwo) throw new Error('two tenants are two');
  await inOne.join();
  await inTwo.join(there);
  expect((await listed()).toSorted()).toEqual([one.id, two.id].toSorted());
  await inOne.leave(there);
  expect(await listed()).toEqual([two.id]);
  for (let round = 0; round < 10; round++) {
    await Promise.all([inOne.join(), inOne.leave(there), inOne.join(there), inOne.leave()]);
    expect((await listed()).includes(one.id)).toBe(await inOne.is());
  }
});

test('who holds less makes nobody more, and changes nobody who holds more', async () => {
  const { sha256, keyId, text } = makeKey(tenant.id);
  const body = { name: 'admin', role: 'admin', scopes: roles.admin, sha256, createdAt: new Date().toISOString(), createdBy: 'a test' };
  await database.container('control').items.create({ id: `api-key:${keyId}`, tenantId: tenant.id, type: 'api-key', body, write: 'a test' });
  const admin = new Asker(here, text);
  await write('top', { role: 'owner' });
  await write('top-2', { role: 'owner' });
  problemOf(await write('new', { role: 'owner' }, {}, admin), 403, 'scope_exceeded');
  problemOf(await admin.ask('GET', path('new')), 404, 'not_found');
  problemOf(await write('top', { role: 'viewer' }, {}, admin), 403, 'scope_exceeded');
  problemOf(await admin.ask('DELETE', path('top')), 403, 'scope_exceeded');
  expect(await owner.get(path('top'))).toMatchObject({ role: 'owner' });
  expect((await write('new', { role: 'admin' }, {}, admin)).status).toBe(201);
  expect((await admin.ask('DELETE', path('new'))).status).toBe(204);
});
