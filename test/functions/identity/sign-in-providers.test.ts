// Several identity providers at once, on a host of its own that joins the twin: one that is down, or answers nonsense, is nobody else's trouble.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Faults } from '../../../local/faults.ts';
import type { Service } from '../../../local/service.ts';
import { writeLocalJson } from '../../../local/start/local-json.ts';
import { startIdentityProvider } from '../../../local/upstreams/identity-provider.ts';
import { dataFolder, type FlowGrid, newTenant, startFlowGrid, type TestTenant } from '../../flowgrid.ts';
import { KeyServer } from '../../shared/identity/key-server.ts';
import { Asker, problemOf } from '../asker.ts';
import { Browser, type Page } from './browser.ts';

const local = inject('local');
const folder = dataFolder();
const clientSecret = 'a-secret-of-the-second-provider-only';
let second: Service;
let wrong: KeyServer;
let host: FlowGrid;
let tenant: TestTenant;

beforeAll(async () => {
  second = await startIdentityProvider({ folder: folder.path, port: 0, durable: false, faults: new Faults(), clientSecret });
  wrong = await new KeyServer().start();
  wrong.instead = (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"issuer":"https://evil.example"}');
  const issuers = { second: `http://127.0.0.1:${second.port}`, down: 'http://127.0.0.1:2', wrong: wrong.issuer };
  process.env['FLOWGRID_SIGN_IN'] = 'idp,second,down,wrong';
  for (const [name, issuer] of Object.entries(issuers)) {
    process.env[`FLOWGRID_SIGN_IN_${name.toUpperCase()}_ISSUER`] = issuer;
    process.env[`FLOWGRID_SIGN_IN_${name.toUpperCase()}_CLIENT_ID`] = 'flowgrid';
    process.env[`FLOWGRID_SIGN_IN_${name.toUpperCase()}_CLIENT_SECRET`] = clientSecret;
  }
  const file = join(folder.path, 'local.json');
  writeLocalJson(file, { ...local, hosts: [], pids: {} });
  [host, tenant] = await Promise.all([startFlowGrid(folder.path, '--only', 'host', '--join', file), newTenant(local)]);
  for (const subject of ['ada', 'second:bob', 'carol@example.com'])
    await tenant.owner.ask('PUT', `/tenants/${tenant.id}/members/${encodeURIComponent(subject)}`, { role: 'viewer' });
});
afterAll(async () => {
  await host?.stop();
  await second?.stop();
  wrong?.stop();
  folder.remove();
});

async function signIn(provider: string, login: string): Promise<Page> {
  const browser = new Browser();
  const begun = await browser.get(`${host.local.hosts[0]}/auth/login/${provider}?tenant=${tenant.id}`);
  if (begun.status !== 303) return begun;
  const page = await browser.follow(begun);
  const back = await browser.follow(await browser.post(page.url, { login }), '/auth/callback/');
  return browser.get(back.location ?? '');
}

test('people sign in with either, each by its own names for them', async () => {
  const status = async (provider: string, login: string) => (await signIn(provider, login)).status;
  expect(await status('idp', 'ada')).toBe(200);
  // What a provider that is not the first calls somebody is not what the first does.
  expect(await status('second', 'ada')).toBe(403);
  expect(await status('second', 'bob')).toBe(200);
  expect(await status('idp', 'bob')).toBe(403);
  for (const provider of ['idp', 'second']) expect(await status(provider, 'carol')).toBe(200);
});

test.each(['down', 'wrong'])('one that is %s says so, and the others go on', async (provider) => {
  const page = await signIn(provider, 'ada');
  expect([page.status, page.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8']);
  const asker = new Asker(host.local.hosts[0] ?? '');
  problemOf(await asker.ask('GET', `/auth/login/${provider}`), 503, 'sign_in_unavailable');
  expect((await signIn('idp', 'ada')).status).toBe(200);
});

test('an answer of one is not taken for another’s', async () => {
  const browser = new Browser();
  const begun = await browser.get(`${host.local.hosts[0]}/auth/login/idp?tenant=${tenant.id}`);
  const page = await browser.follow(begun);
  const back = await browser.follow(await browser.post(page.url, { login: 'bob' }), '/auth/callback/');
  expect((await browser.get((back.location ?? '').replace('/callback/idp', '/callback/second'))).status).toBe(400);
});

test('one that comes back is used again', async () => {
  wrong.instead = undefined;
  const page = await signIn('wrong', 'ada');
  // It has no page to sign in at, which is found out at once.
  expect(page.status).toBe(503);
  expect(wrong.asked.length).toBeGreaterThanOrEqual(3);
});
