// Our tokens while the key that signs them changes, and while Key Vault is away.
import { setTimeout as wait } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dataFolder, type FlowGrid, newTenant, startFlowGrid, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';
import { TokenForge } from '../functions/identity/token-forge.ts';

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

const folder = dataFolder();
let flowGrid: FlowGrid;
let tenant: TestTenant;
let hosts: string[];

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path, '--ephemeral', '--hosts', '2');
  ({ hosts } = flowGrid.local);
  // The first token of a fresh install.
  tenant = await newTenant(flowGrid.local);
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

const ask = (json: object, host = hosts[0] ?? '') => new Asker(host).ask<Tokens>('POST', '/api/auth/token', { json });
const grant = async () => {
  const { status, body } = await ask({ grant_type: 'client_credentials', client_secret: tenant.key });
  expect(status).toBe(200);
  return body;
};
const statuses = (token: string) =>
  Promise.all(
    hosts.map(
      async (host) => (await new Asker(host).ask('GET', '/api/auth/whoami', { headers: { authorization: `Bearer ${token}` } })).status,
    ),
  );
const kids = async (host: string) =>
  (await new Asker(host).get<{ keys: { kid: string }[] }>('/.well-known/jwks.json')).keys.map(({ kid }) => kid);

test('the key changes under them: tokens of the old one go on, the new one is known before it signs', async () => {
  const forge = new TokenForge(flowGrid.local);
  const { access_token: old } = await grant();
  const { kid } = decodeProtectedHeader(old);
  expect(await statuses(old)).toEqual([200, 200]);
  // Key Vault counts in seconds, and of two versions of one second either may be the elder.
  await wait(1_000);
  const young = await forge.rotate();
  // Whoever meets the new one first asks Key Vault for it.
  expect(await statuses(await forge.like(old, { header: { kid: young } }))).toEqual([401, 401]);
  // Two hosts that make the key at once make two versions of it: Key Vault has no way to make one only if there is none.
  for (const host of hosts) expect(await kids(host)).toEqual(expect.arrayContaining([kid, young]));
  const { access_token: next } = await grant();
  expect(decodeProtectedHeader(next).kid).not.toBe(young);
  for (const token of [old, next]) expect(await statuses(token)).toEqual([200, 200]);
});

test('Key Vault is away: tokens are checked as ever, none is issued, and nothing is used up', async () => {
  const [seen, unseen] = [await grant(), await grant()];
  expect(await statuses(seen.access_token)).toEqual([200, 200]);
  const set = (faults: object[]) => fetch(flowGrid.local.faults, { method: 'PUT', body: JSON.stringify(faults) });
  await set([{ service: 'keyVault', rate: 1, effect: '500' }]);
  for (const { access_token: token } of [seen, unseen]) expect(await statuses(token)).toEqual([200, 200]);
  expect(await kids(hosts[1] ?? '')).not.toEqual([]);
  const refused = await ask({ grant_type: 'refresh_token', refresh_token: seen.refresh_token });
  problemOf(refused, 503, 'vault_unavailable');
  expect(refused.body).toMatchObject({ error: 'temporarily_unavailable' });
  await set([]);
  expect((await ask({ grant_type: 'refresh_token', refresh_token: seen.refresh_token }, hosts[1])).status).toBe(200);
});
