// What ends a token ends it at every host: here at once, there within two seconds.
import { beforeAll, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await newTenant(local);
});

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

const grant = (key: string) => new Asker(here).post<Tokens>('/api/auth/token', { grant_type: 'client_credentials', client_secret: key });
const by = (token: string, host: string) =>
  new Asker(host).ask('GET', '/api/auth/whoami', { headers: { authorization: `Bearer ${token}` } });

/** The token counts at both hosts, `end` ends it at the first. */
async function ends(what: string, token: string, end: () => Promise<unknown>, [status, code] = [401, 'unauthenticated']): Promise<void> {
  for (const host of local.hosts) for (let count = 0; count < 2; count++) expect((await by(token, host)).status).toBe(200);
  await end();
  const since = performance.now();
  problemOf(await by(token, here), status, code);
  await until('the other host has heard of it', async () => (await by(token, there)).status === status, promisedMs);
  console.log(`${what} on one host, seen by the other ${Math.round(performance.now() - since)} ms later`);
}

test('revoking it', async () => {
  const { access_token: token, refresh_token: refresh } = await grant(tenant.key);
  await ends('token revoked', token, () => new Asker(here).ask('POST', '/api/auth/revoke', { json: { token: refresh } }));
});

test('using its refresh token twice', async () => {
  const { access_token: token, refresh_token: refresh } = await grant(tenant.key);
  const renew = () => new Asker(here).ask('POST', '/api/auth/token', { json: { grant_type: 'refresh_token', refresh_token: refresh } });
  expect((await renew()).status).toBe(200);
  await ends('refresh token used twice', token, renew);
});

test('revoking its API key, which ends renewing too', async () => {
  const { key, keyId } = await new Asker(here, tenant.key).post<{ key: string; keyId: string }>(`/tenants/${tenant.id}/api-keys`, {
    name: 'short-lived',
    role: 'viewer',
  });
  const { access_token: token, refresh_token: refresh } = await grant(key);
  await ends('key revoked', token, () => new Asker(here, tenant.key).ask('DELETE', `/tenants/${tenant.id}/api-keys/${keyId}`));
  const json = { grant_type: 'refresh_token', refresh_token: refresh };
  problemOf(await new Asker(here).ask('POST', '/api/auth/token', { json }), 400, 'invalid_grant');
});

test('suspending its tenant, until it is resumed', async () => {
  const { id, key } = await newTenant(local);
  const platform = new Asker(here, local.platformKey);
  const { access_token: token, refresh_token: refresh } = await grant(key);
  await ends('tenant suspended', token, () => platform.ask('POST', `/tenants/${id}/suspend`), [403, 'tenant_suspended']);
  const renewal = { grant_type: 'refresh_token', refresh_token: refresh };
  for (const json of [renewal, { grant_type: 'client_credentials', client_secret: key }]) {
    const answer = await new Asker(here).ask('POST', '/api/auth/token', { json });
    problemOf(answer, 403, 'tenant_suspended');
    expect(answer.body).toMatchObject({ error: 'unauthorized_client' });
  }
  await platform.ask('POST', `/tenants/${id}/resume`);
  expect((await by(token, here)).status).toBe(200);
  expect((await new Asker(here).ask('POST', '/api/auth/token', { json: renewal })).status).toBe(200);
});
