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
async function ends(token: string, end: () => Promise<unknown>): Promise<void> {
  for (const host of local.hosts) for (let count = 0; count < 2; count++) expect((await by(token, host)).status).toBe(200);
  await end();
  problemOf(await by(token, here), 401, 'unauthenticated');
  await until('the other host has heard of it', async () => (await by(token, there)).status === 401, promisedMs);
}

test('revoking it', async () => {
  const { access_token: token, refresh_token: refresh } = await grant(tenant.key);
  await ends(token, () => new Asker(here).ask('POST', '/api/auth/revoke', { json: { token: refresh } }));
});

test('using its refresh token twice', async () => {
  const { access_token: token, refresh_token: refresh } = await grant(tenant.key);
  const renew = () => new Asker(here).ask('POST', '/api/auth/token', { json: { grant_type: 'refresh_token', refresh_token: refresh } });
  expect((await renew()).status).toBe(200);
  await ends(token, renew);
});

test('taking its API key out of force, which ends renewing too', async () => {
  const environment = () => tenant.owner.ask<Record<string, string>>('POST', `/tenants/${tenant.id}/agents/scout/environment`);
  const { access_token: token, refresh_token: refresh } = await grant((await environment())['FLOWGRID_API_TOKEN'] ?? '');
  await ends(token, environment);
  const json = { grant_type: 'refresh_token', refresh_token: refresh };
  problemOf(await new Asker(here).ask('POST', '/api/auth/token', { json }), 400, 'invalid_grant');
});
