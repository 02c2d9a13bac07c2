// The list of issuers a tenant trusts: written, read and deleted under ETags, bounded, and held to the rules for calls to outside.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
});

const pathOf = (name: string) => `/tenants/${tenant.id}/issuers/${name}`;
const put = (name: string, json: unknown, headers = {}) => owner.ask('PUT', pathOf(name), { json, headers });
const entra = {
  issuer: 'https://login.example/v2.0',
  roleClaim: 'roles',
  roleMap: { 'FlowGrid.Admin': 'admin', '*': 'viewer' },
  groupsClaim: 'groups',
};

describe('an issuer', () => {
  test('is made, shown everywhere, changed, listed and deleted, each told by an event', async () => {
    const made = await put('entra', entra);
    expect(made.status).toBe(201);
    expect(made.body).toEqual({ name: 'entra', ...entra, createdAt: expect.any(String), updatedAt: expect.any(String) });
    const shown = await owner.at(there).ask('GET', pathOf('entra'));
    expect([shown.body, shown.headers.get('etag')]).toEqual([made.body, made.headers.get('etag')]);

    const { groupsClaim: _, ...less } = entra;
    const changed = await put('entra', { ...less, jwksUri: 'https://login.example/keys' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(made.headers.get('etag'));
    expect(await owner.at(there).get(`/tenants/${tenant.id}/issuers`)).toEqual({ items: [changed.body], nextCursor: null });

    expect((await owner.ask('DELETE', pathOf('entra'))).status).toBe(204);
    problemOf(await owner.ask('GET', pathOf('entra')), 404, 'not_found');
    problemOf(await owner.ask('DELETE', pathOf('entra')), 404, 'not_found');

    const events = (await settledTrail(owner, tenant.id)).filter(({ action }) => action.startsWith('issuer.')).toReversed();
    expect(events).toMatchObject([
      { action: 'issuer.written', entity: { type: 'issuer', id: 'entra' }, new: entra },
      { action: 'issuer.written', old: entra, new: { ...less, jwksUri: 'https://login.example/keys' } },
      { action: 'issuer.deleted', old: { ...less, jwksUri: 'https://login.example/keys' } },
    ]);
  });

  test('is not changed or deleted by whoever has seen another version', async () => {
    const first = (await put('tagged', { issuer: 'https://tagged.example' }, { 'if-none-match': '*' })).headers.get('etag') ?? '';
    problemOf(await put('tagged', { issuer: 'https://tagged.example' }, { 'if-none-match': '*' }), 412, 'precondition_failed');
    expect((await owner.ask('GET', pathOf('tagged'), { headers: { 'if-none-match': first } })).status).toBe(304);
    expect((await put('tagged', { issuer: 'https://tagged.example', groupsClaim: 'g' }, { 'if-match': first })).status).toBe(200);
    problemOf(await put('tagged', { issuer: 'https://tagged.example' }, { 'if-match': first }), 412, 'precondition_failed');
    problemOf(await owner.ask('DELETE', pathOf('tagged'), { headers: { 'if-match': first } }), 412, 'precondition_failed');
    problemOf(await put('never', { issuer: 'https://never.example' }, { 'if-match': first }), 412, 'precondition_failed');
    problemOf(await put('again', { issuer: 'https://tagged.example' }), 409, 'issuer_exists');
    expect((await owner.ask('DELETE', pathOf('tagged'))).status).toBe(204);
  });

  test.each([
    ['http', { issuer: 'http://issuer.example' }],
    ['a private address', { issuer: 'https://10.1.2.3' }],
    ['an odd spelling of one', { issuer: 'https://0xa9fea9fe/' }],
    ['the metadata service', { issuer: 'https://issuer.example', jwksUri: 'https://169.254.169.254/keys' }],
    ['a password', { issuer: 'https://user:secret@issuer.example' }],
    ['another protocol’s port', { issuer: 'https://issuer.example:25' }],
  ])('is not at %s', async (_, json) => {
    problemOf(await put('blocked', json), 403, 'upstream_blocked');
    problemOf(await owner.ask('GET', pathOf('blocked')), 404, 'not_found');
  });

  test.each([
    ['no URL', { issuer: 'issuer' }, '/issuer'],
    ['a query', { issuer: 'https://issuer.example?tenant=1' }, '/issuer'],
    ['nothing', {}, '/issuer'],
    ['ourselves', { issuer: here }, '/issuer'],
    ['our own keys', { issuer: 'https://issuer.example', jwksUri: `${here}/.well-known/jwks.json` }, '/jwksUri'],
    ['a role of the platform', { issuer: 'https://issuer.example', roleMap: { a: 'platform-admin' } }, '/roleMap/a'],
    [
      'too many roles',
      { issuer: 'https://issuer.example', roleMap: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`r${at}`, 'viewer'])) },
      '/roleMap',
    ],
    ['a member we do not know', { issuer: 'https://issuer.example', audience: 'all' }, ''],
  ])('is not %s', async (_, json, pointer) => {
    const { errors } = problemOf(await put('wrong', json), 400, 'validation_failed');
    expect(errors?.map((error) => error.pointer)).toContain(pointer);
  });

  test('is one of at most twenty, also when all come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, at) =>
        owner.at(at % 2 === 0 ? here : there).ask('PUT', pathOf(`many-${at}`), { json: { issuer: `https://issuer-${at}.example` } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(20).fill(201), ...Array(4).fill(409)]);
    const { items, nextCursor } = await owner.get<{ items: unknown[]; nextCursor: string }>(`/tenants/${tenant.id}/issuers?limit=15`);
    expect(items).toHaveLength(15);
    const rest = await owner.get<{ items: unknown[]; nextCursor: null }>(`/tenants/${tenant.id}/issuers?cursor=${nextCursor}`);
    expect([rest.items.length, rest.nextCursor]).toEqual([5, null]);
  });
});
