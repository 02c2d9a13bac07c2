// Who the caller is, by every credential of the first step.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { roles } from '../../../shared/identity/scopes.ts';
import { newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';

const local = inject('local');
let tenant: TestTenant;
beforeAll(async () => {
  tenant = await newTenant(local);
});

const keyIdOf = (key: string) => key.split('_')[2];

describe('GET /api/auth/whoami', () => {
  test('the owner', async () => {
    expect(await new Asker(local.api, tenant.key).get('/api/auth/whoami')).toEqual({
      tenantId: tenant.id,
      subject: keyIdOf(tenant.key),
      method: 'api-key',
      role: 'owner',
      scopes: roles.owner,
      groups: [],
    });
  });

  test('an agent', async () => {
    const { FLOWGRID_API_TOKEN: key } = await tenant.owner.ask<{ FLOWGRID_API_TOKEN: string }>(
      'POST',
      `/tenants/${tenant.id}/agents/scout/environment`,
    );
    expect(await new Asker(local.api, key).get('/api/auth/whoami')).toEqual({
      tenantId: tenant.id,
      subject: keyIdOf(key),
      method: 'api-key',
      role: 'agent',
      scopes: ['agents:read', 'agents:register', 'messages:send', 'messages:receive', 'tools:read', 'tools:invoke', 'usage:report'],
      agentId: 'scout',
      groups: [],
    });
  });

  test('the platform team', async () => {
    expect(await new Asker(local.api, local.platformKey).get('/api/auth/whoami')).toEqual({
      tenantId: null,
      subject: keyIdOf(local.platformKey),
      method: 'platform-key',
      role: 'platform-admin',
      scopes: ['platform:tenants', 'platform:read'],
      groups: [],
    });
  });
});

describe('a credential', () => {
  const anyone = new Asker(local.api);
  const by = (headers: Record<string, string>, query = '') =>
    anyone.ask<{ tenantId: string }>('GET', `/api/auth/whoami${query}`, { headers });

  test.for(['Bearer', 'bearer', 'BEARER'])('comes behind %s', async (scheme) => {
    expect((await by({ authorization: `${scheme} ${tenant.key}` })).body.tenantId).toBe(tenant.id);
  });

  test('may come twice, but not as two', async () => {
    expect((await by({ authorization: `Bearer ${tenant.key}`, 'x-api-key': tenant.key })).status).toBe(200);
    problemOf(await by({ authorization: `Bearer ${tenant.key}`, 'x-api-key': local.platformKey }), 401, 'unauthenticated');
  });

  test('of development is none without its setting', async () => {
    problemOf(await by({ 'x-dev-tenant': tenant.id, 'x-dev-user': 'ada' }), 401, 'unauthenticated');
  });

  test('in any other form is none', async () => {
    const basic = `Basic ${btoa(`x:${tenant.key}`)}`;
    for (const authorization of [tenant.key, basic, 'Bearer', `Bearer ${tenant.key} x`, `Token ${tenant.key}`, `Bearer "${tenant.key}"`])
      problemOf(await by({ authorization }), 401, 'unauthenticated');
    // A scheme we do not know is not passed over for a key that we would.
    problemOf(await by({ authorization: basic, 'x-api-key': tenant.key }), 401, 'unauthenticated');
  });

  test('never comes in the query string', async () => {
    for (const name of ['api_key', 'apikey', 'access_token', 'x-api-key', 'key', 'code'])
      problemOf(await by({}, `?${name}=${tenant.key}`), 401, 'unauthenticated');
    // Azure's host would let this one take the place of the request's headers.
    for (const name of ['Headers', 'headers', 'HEADERS'])
      problemOf(await by({}, `?${name}=${encodeURIComponent(JSON.stringify({ 'x-api-key': tenant.key }))}`), 401, 'unauthenticated');
  });

  test('that is false looks the same in every way', async () => {
    const [, id, keyId, secret = ''] = tenant.key.split('_');
    const flipped = `fg_${id}_${keyId}_${secret.startsWith('a') ? 'b' : 'a'}${secret.slice(1)}`;
    const answers = await Promise.all(
      [
        '',
        ' ',
        'fg_',
        `fg_${id}_${keyId}`,
        tenant.key.slice(0, -1),
        `${tenant.key}0`,
        tenant.key.toUpperCase(),
        flipped,
        'x'.repeat(4_000),
      ].map((key) => by({ 'x-api-key': key })),
    );
    const [first, ...others] = answers.map((answer) => ({ ...problemOf(answer, 401, 'unauthenticated'), requestId: '' }));
    for (const other of others) expect(other).toEqual(first);
  });
});
