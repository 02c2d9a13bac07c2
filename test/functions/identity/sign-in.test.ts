// People sign in, with a real identity provider, on two hosts: and every way to come in without that.

import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';
import { Browser, type Page } from './browser.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const sessionName = '__Host-flowgrid';
const ticketName = '__Host-flowgrid-sign-in';

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  for (const [subject, role] of Object.entries({
    ada: 'developer',
    'idp:bob': 'viewer',
    'carol@example.com': 'admin',
    'unverified.dan@example.com': 'admin',
  }))
    await join_(tenant, subject, role);
});

async function join_(to: TestTenant, subject: string, role: string): Promise<void> {
  const { status } = await new Asker(here, to.key).ask('PUT', `/tenants/${to.id}/members/${encodeURIComponent(subject)}`, {
    json: { role },
  });
  expect(status).toBeLessThan(300);
}

/** Through the provider's pages, up to the address of ours that it would send the browser to. */
async function atProvider(browser: Browser, name: string, { tenantId = tenant.id, host = here, provider = 'idp' } = {}): Promise<string> {
  const begun = await browser.get(`${host}/auth/login/${provider}${tenantId === '' ? '' : `?tenant=${tenantId}`}`);
  expect(begun.status, begun.text).toBe(303);
  const login = await browser.follow(begun, '/auth/callback/');
  if (login.location !== null) return login.location;
  const sent = await browser.post(login.url, name === '' ? { cancel: '1' } : { login: name });
  const back = await browser.follow(sent, '/auth/callback/');
  expect(back.location).toContain('/auth/callback/');
  return back.location ?? '';
}

async function signIn(name: string, options = {}): Promise<{ browser: Browser; page: Page }> {
  const browser = new Browser();
  return { browser, page: await browser.get(await atProvider(browser, name, options)) };
}

const withCookie = (browser: Browser) => ({ cookie: `${sessionName}=${browser.cookies.get(sessionName) ?? ''}` });
const whoami = (browser: Browser, host = here) => new Asker(host).ask('GET', '/api/auth/whoami', { headers: withCookie(browser) });

describe('a member', () => {
  test('signs in, begun on one host and finished on the other, and is known on both', async () => {
    const browser = new Browser();
    const back = await atProvider(browser, 'ada');
    const page = await browser.get(back.replace(here, there));
    expect([page.status, page.text]).toEqual([200, expect.stringContaining(`signed in to <b>${tenant.id}</b> as developer`)]);
    const [cookie = ''] = page.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-flowgrid=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'unsafe-inline';/);
    expect(page.text).not.toContain('<script');
    for (const host of [here, there])
      expect(await whoami(browser, host)).toMatchObject({
        status: 200,
        body: { tenantId: tenant.id, subject: 'ada', method: 'session', role: 'developer' },
      });
    const events = (await settledTrail(new Asker(there, tenant.key), tenant.id)).filter(({ action }) => action === 'session.started');
    expect(events).toMatchObject([{ actor: { type: 'user', id: 'ada', method: 'session' }, new: { provider: 'idp', role: 'developer' } }]);
  });

  test('is known by the provider’s name for them, or by a verified address, and by nothing else', async () => {
    expect((await signIn('bob')).page.text).toContain('as viewer');
    expect((await signIn('carol')).page.text).toContain('as admin');
    for (const name of ['unverified.dan', 'idp:bob'.replace(':', '.'), 'eve', 'carol.example.com']) {
      const { browser, page } = await signIn(name);
      expect([name, page.status, page.text]).toEqual([name, 403, expect.stringContaining(`idp:${name}`)]);
      expect(browser.cookies.has(sessionName)).toBe(false);
    }
    // An account that is called like an address somebody else is a member by: only the provider's word for the address counts.
    expect((await signIn('unverified.dan@example.com')).page.status).toBe(403);
  });

  test('acts as their role says, from a page of ours and from no other', async () => {
    const { browser } = await signIn('ada');
    const asker = new Asker(here);
    const send = (headers = {}) =>
      asker.ask('POST', '/api/quota/check', { json: { meter: 'maxToolCallsPerDay' }, headers: { ...withCookie(browser), ...headers } });
    expect((await send({ origin: here })).status).toBe(200);
    for (const headers of [
      {},
      { origin: there },
      { origin: 'null' },
      { origin: 'https://evil.example' },
      { origin: `${here}.evil.example` },
    ])
      problemOf(await send(headers), 403, 'origin_mismatch');
    problemOf(await asker.ask('GET', `/tenants/${tenant.id}/audit`, { headers: withCookie(browser) }), 403, 'scope_missing');
    const other = await newTenant(local);
    problemOf(await asker.ask('GET', `/tenants/${other.id}/integrations`, { headers: withCookie(browser) }), 404, 'not_found');
    // A credential speaks for itself.
    problemOf(
      await asker.ask('GET', '/api/auth/whoami', { headers: { ...withCookie(browser), 'x-api-key': 'fg_garbage' } }),
      401,
      'unauthenticated',
    );
  });

  test('signs out, and the session is over at once here and within two seconds there', async () => {
    const { browser } = await signIn('ada');
    const kept = new Browser();
    kept.cookies.set(sessionName, browser.cookies.get(sessionName) ?? '');
    for (const host of [here, there]) expect((await whoami(kept, host)).status).toBe(200);
    const asker = new Asker(here);
    problemOf(
      await asker.ask('POST', '/auth/logout', { headers: { ...withCookie(kept), origin: 'https://evil.example' } }),
      403,
      'origin_mismatch',
    );
    expect((await whoami(kept)).status).toBe(200);

    const page = await browser.post(`${here}/auth/logout`, {}, here);
    expect([page.status, browser.cookies.has(sessionName)]).toEqual([200, false]);
    problemOf(await whoami(kept), 401, 'unauthenticated');
    await until('it is over there', async () => (await whoami(kept, there)).status === 401, 2_500);
    expect((await asker.ask('POST', '/auth/logout', { headers: { ...withCookie(kept), origin: here } })).status).toBe(204);
    const ended = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'session.ended');
    expect(ended).toMatchObject([{ actor: { id: 'ada', method: 'session' } }]);
  });

  test('who is removed, or made another, is signed out or changed everywhere', async () => {
    await join_(tenant, 'frank', 'viewer');
    const { browser } = await signIn('frank');
    expect(await whoami(browser, there)).toMatchObject({ body: { role: 'viewer' } });
    await join_(tenant, 'frank', 'auditor');
    expect(await whoami(browser)).toMatchObject({ body: { role: 'auditor' } });
    await until('the other host knows', async () => JSON.stringify((await whoami(browser, there)).body).includes('"auditor"'), 2_500);
    expect((await owner.ask('DELETE', `/tenants/${tenant.id}/members/frank`)).status).toBe(204);
    problemOf(await whoami(browser), 401, 'unauthenticated');
    await until('the other host knows', async () => (await whoami(browser, there)).status === 401, 2_500);
    // Coming back does not bring old sessions back.
    await join_(tenant, 'frank', 'viewer');
    problemOf(await whoami(browser), 401, 'unauthenticated');
  });

  test('of one tenant need not name it, and of several chooses', async () => {
    const second = await newTenant(local);
    const name = `gina-${tenant.id}`;
    await join_(tenant, name, 'viewer');
    expect((await signIn(name, { tenantId: '' })).page.text).toContain(`signed in to <b>${tenant.id}</b>`);
    await join_(second, `idp:${name}`, 'owner');
    const { browser, page } = await signIn(name, { tenantId: '' });
    expect([page.status, browser.cookies.has(sessionName)], page.text).toEqual([200, false]);
    for (const { id } of [tenant, second]) expect(page.text).toContain(`href="/auth/login/idp?tenant=${id}"`);
    const chosen = await browser.get(await atProvider(browser, name, { tenantId: second.id }));
    expect(chosen.text).toContain(`signed in to <b>${second.id}</b> as owner`);
  });
});

describe('nobody comes in', () => {
  test('by a cookie that is made up, or of another tenant', async () => {
    const { browser } = await signIn('ada');
    const [, id = '', secret = ''] = (browser.cookies.get(sessionName) ?? '').split('.');
    const other = await newTenant(local);
    const a = 'a'.repeat(43);
    for (const value of [
      '',
      'x',
      `${tenant.id}.${id}.${a}`,
      `${other.id}.${id}.${secret}`,
      `${tenant.id}.${'a'.repeat(20)}.${secret}`,
      `${tenant.id}.${id}.${secret}=`,
      `platform.${id}.${secret}`,
    ]) {
      browser.cookies.set(sessionName, value);
      problemOf(await whoami(browser), 401, 'unauthenticated');
    }
  });

  test('twice by one answer', async () => {
    const browser = new Browser();
    const back = await atProvider(browser, 'ada');
    const secret = browser.cookies.get(ticketName) ?? '';
    const answers = await Promise.all([here, there].map((host) => browser.get(back.replace(here, host))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    browser.cookies.set(ticketName, secret);
    expect((await browser.get(back)).status).toBe(400);
  });

  test('by an answer for another browser, which does not use it up', async () => {
    const browser = new Browser();
    const back = await atProvider(browser, 'ada');
    const thief = new Browser();
    expect((await thief.get(back)).status).toBe(400);
    await thief.get(`${here}/auth/login/idp`);
    expect((await thief.get(back)).status).toBe(400);
    // The host would take the headers from the query.
    const planted = encodeURIComponent(JSON.stringify({ cookie: `${ticketName}=${browser.cookies.get(ticketName)}` }));
    expect((await new Browser().get(`${back}&headers=${planted}`)).status).toBe(400);
    expect((await browser.get(back)).status).toBe(200);
  });

  test('by another state, code or issuer', async () => {
    for (const [name, value] of [
      ['state', 'a'.repeat(43)],
      ['state', ''],
      ['code', 'made-up'],
      ['code', ''],
      ['iss', 'https://evil.example'],
      ['iss', ''],
    ] as const) {
      const browser = new Browser();
      const back = new URL(await atProvider(browser, 'ada'));
      if (value === '') back.searchParams.delete(name);
      else back.searchParams.set(name, value);
      const page = await browser.get(back.href);
      expect([name, page.status, browser.cookies.has(sessionName)]).toEqual([name, 400, false]);
    }
    const plain = await new Asker(here).ask('GET', '/auth/callback/idp?state=a&code=b');
    problemOf(plain, 400, 'sign_in_invalid');
  });

  test('who cancels at the provider, or signs in nowhere', async () => {
    expect((await signIn('')).page.status).toBe(403);
    problemOf(await new Asker(here).ask('GET', '/auth/login/nowhere'), 404, 'not_found');
    problemOf(await new Asker(here).ask('GET', '/auth/callback/nowhere?state=a'), 404, 'not_found');
    problemOf(await new Asker(here).ask('GET', '/auth/login/idp?tenant=Not%20One'), 400, 'validation_failed');
  });

  test('who only ever begins: a hundred times a minute from one address, and nobody else waits for that', async () => {
    const begin = async (ip: string) =>
      (await new Asker(here).ask('GET', '/auth/login/idp', { headers: { 'x-forwarded-for': ip } })).status;
    const statuses: number[] = [];
    for (let count = 0; count < 110; count++) statuses.push(await begin('192.0.2.77'));
    expect([statuses.indexOf(429), new Set(statuses.slice(100))]).toEqual([100, new Set([429])]);
    expect(await begin('192.0.2.78')).toBe(303);
  });

  test('with markup: what a provider says is shown as text', async () => {
    const page = await new Browser().get(`${here}/auth/callback/idp?state=<script>&error=<script>alert(1)</script>`);
    expect([page.status, page.text.includes('<script')]).toEqual([400, false]);
  });
});
