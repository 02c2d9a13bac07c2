// The token endpoint as an OAuth client that is not ours sees it, and what its tokens are worth at every host.
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as oauth from 'oauth4webapi';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { type Answer, Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const insecure = { [oauth.allowInsecureRequests]: true };

interface Tokens {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly scope: string;
}

let tenant: TestTenant;
let agentKey: string;
beforeAll(async () => {
  tenant = await newTenant(local);
  const environment = await tenant.owner.ask<Record<string, string>>('POST', `/tenants/${tenant.id}/agents/scout/environment`);
  agentKey = environment['FLOWGRID_API_TOKEN'] ?? '';
});

const keyIdOf = (key: string) => key.split('_')[2] ?? '';

function ask(form: Record<string, string>, headers: Record<string, string> = {}, host = here): Promise<Answer<Tokens>> {
  const body = new URLSearchParams(form).toString();
  return new Asker(host).ask('POST', '/api/auth/token', {
    body,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
}

async function tokensOf(form: Record<string, string>, host = here): Promise<Tokens> {
  const { status, body } = await ask(form, {}, host);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
}

const byKey = (key: string, more: Record<string, string> = {}) =>
  tokensOf({ grant_type: 'client_credentials', client_secret: key, ...more });
const by = (token: string, host = here) =>
  new Asker(host).ask<Record<string, unknown>>('GET', '/api/auth/whoami', { headers: bearer(token) });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('an OAuth client', () => {
  test('discovers, gets, uses, renews and revokes', async () => {
    const issuer = new URL(local.api);
    const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
    const client: oauth.Client = { client_id: keyIdOf(tenant.key) };
    const basic = oauth.ClientSecretBasic(tenant.key);

    const granted = await oauth.processClientCredentialsResponse(
      server,
      client,
      await oauth.clientCredentialsGrantRequest(server, client, basic, { scope: 'agents:read tools:read' }, insecure),
    );
    expect(granted).toMatchObject({ token_type: 'bearer', expires_in: 900, scope: 'agents:read tools:read' });
    const request = new Request(`${local.api}/api/auth/whoami`, { headers: bearer(granted.access_token) });
    // A resource server that knows nothing of ours but RFC 9068.
    const claims = await oauth.validateJwtAccessToken(server, request, local.api, insecure);
    expect(claims).toMatchObject({ client_id: keyIdOf(tenant.key), tenant_id: tenant.id, scopes: ['agents:read', 'tools:read'] });

    const renewed = await oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, oauth.ClientSecretPost(tenant.key), granted.refresh_token ?? '', insecure),
    );
    expect((await by(renewed.access_token)).status).toBe(200);
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, oauth.None(), renewed.refresh_token ?? '', insecure),
    );
    problemOf(await by(renewed.access_token), 401, 'unauthenticated');
    problemOf(await by(granted.access_token), 401, 'unauthenticated');
  });

  test('is told where by the resource itself', async () => {
    const resource = new URL(local.api);
    const metadata = await oauth.processResourceDiscoveryResponse(resource, await oauth.resourceDiscoveryRequest(resource, insecure));
    expect(metadata).toMatchObject({ authorization_servers: [local.api], bearer_methods_supported: ['header'] });
    for (const host of local.hosts)
      expect(await new Asker(host).get('/.well-known/openid-configuration')).toMatchObject({ issuer: local.api });
  });
});

describe('grant_type=client_credentials', () => {
  test('says what api.md promises, in token and answer', async () => {
    const { status, headers, body } = await ask({
      grant_type: 'client_credentials',
      client_secret: agentKey,
      client_id: keyIdOf(agentKey),
    });
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    const scopes = ['agents:read', 'agents:register', 'messages:send', 'messages:receive', 'tools:read', 'tools:invoke', 'usage:report'];
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^fgr_/),
      scope: scopes.join(' '),
    });
    const [{ keys = [] }, header, claims] = [
      await new Asker(there).get<{ keys?: { kid: string }[] }>('/.well-known/jwks.json'),
      decodeProtectedHeader(body.access_token),
      decodeJwt(body.access_token),
    ];
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(keys.map(({ kid }) => kid)).toContain(header.kid);
    const { iat = 0 } = claims;
    expect(claims).toEqual({
      iss: local.api,
      aud: local.api,
      sub: keyIdOf(agentKey),
      client_id: keyIdOf(agentKey),
      tenant_id: tenant.id,
      username: 'scout',
      role: 'agent',
      scopes,
      agent_id: 'scout',
      sid: expect.any(String),
      jti: expect.any(String),
      iat,
      nbf: iat,
      exp: iat + 900,
    });
  });

  test('gives who the key is, at every host', async () => {
    const { access_token: token } = await byKey(agentKey);
    const asKey = await new Asker(there, agentKey).get<object>('/api/auth/whoami');
    for (const host of local.hosts) expect((await by(token, host)).body).toEqual({ ...asKey, method: 'token' });
  });

  test('takes JSON, HTTP Basic with its parts form-encoded, and no unknown parameter amiss', async () => {
    const json = { grant_type: 'client_credentials', client_secret: tenant.key, audience: 'whatever', tenant: 'x' };
    expect((await new Asker(here).ask('POST', '/api/auth/token', { json })).status).toBe(200);
    const grant = { grant_type: 'client_credentials', client_secret: '', client_id: '' };
    const basic = (text: string) => ({ authorization: `Basic ${btoa(text)}` });
    for (const text of [
      `${keyIdOf(tenant.key)}:${tenant.key}`,
      `:${tenant.key}`,
      `${keyIdOf(tenant.key)}:${tenant.key.replaceAll('_', '%5F')}`,
    ])
      expect((await ask(grant, basic(text))).status).toBe(200);
    for (const text of [tenant.key, `${tenant.key}:`, `x:${tenant.key}`, `${keyIdOf(agentKey)}:${tenant.key}`, `:%zz`, ''])
      problemOf(await ask(grant, basic(text)), 401, 'invalid_client');
    problemOf(await ask({ ...grant, client_secret: tenant.key }, basic(`:${tenant.key}`)), 400, 'invalid_request');
    problemOf(await ask(grant, { authorization: `Bearer ${tenant.key}` }), 401, 'invalid_client');
    problemOf(await ask({ grant_type: 'client_credentials' }, { 'x-api-key': tenant.key }), 401, 'invalid_client');
  });

  test('takes no other client', async () => {
    const flipped = tenant.key.slice(0, -20) + (tenant.key.at(-20) === 'a' ? 'b' : 'a') + tenant.key.slice(-19);
    for (const client_secret of ['', 'x', flipped, local.platformKey, `${tenant.key}x`])
      problemOf(await ask({ grant_type: 'client_credentials', client_secret }), 401, 'invalid_client');
    problemOf(
      await ask({ grant_type: 'client_credentials', client_secret: tenant.key, client_id: keyIdOf(agentKey) }),
      401,
      'invalid_client',
    );
  });

  test('narrows, and never widens', async () => {
    const { access_token: token, scope } = await byKey(tenant.key, { scope: 'tools:read agents:read' });
    expect(scope).toBe('agents:read tools:read');
    problemOf(await new Asker(here).ask('GET', `/tenants/${tenant.id}/audit`, { headers: bearer(token) }), 403, 'scope_missing');
    for (const wanted of ['audit:read', 'agents:read audit:read', 'nonsense', ' ', 'agents:read\ttools:read'])
      problemOf(await ask({ grant_type: 'client_credentials', client_secret: agentKey, scope: wanted }), 400, 'invalid_scope');
  });
});

describe('other requests', () => {
  test('are refused in the words of RFC 6749', async () => {
    const refusal = async (form: Record<string, string>) => (await ask(form)).body as unknown as { error: string; code: string };
    expect(await refusal({ scope: 'x' })).toMatchObject({ error: 'invalid_request', code: 'validation_failed' });
    expect(await refusal({ grant_type: 'password' })).toMatchObject({ error: 'unsupported_grant_type', code: 'unsupported_grant_type' });
    expect(await refusal({ grant_type: 'refresh_token' })).toMatchObject({ error: 'invalid_request', code: 'invalid_request' });
    const twice = await new Asker(here).ask('POST', '/api/auth/token', {
      body: 'grant_type=client_credentials&grant_type=client_credentials',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(twice.body).toMatchObject({ error: 'invalid_request', code: 'invalid_json' });
  });
});

describe('grant_type=refresh_token', () => {
  const renew = (token: string, more: Record<string, string> = {}, host = here) =>
    ask({ grant_type: 'refresh_token', refresh_token: token, ...more }, {}, host);

  test('gives the next pair, at the other host too, and never more than was granted', async () => {
    const first = await byKey(tenant.key, { scope: 'agents:read tools:read' });
    const second = await renew(first.refresh_token, { scope: 'tools:read' }, there);
    expect(second).toMatchObject({ status: 200, body: { scope: 'tools:read', expires_in: 900 } });
    problemOf(await renew(second.body.refresh_token, { scope: 'tools:read audit:read' }), 400, 'invalid_scope');
    // Refused, it was not used up; and narrowing once does not narrow the family (RFC 6749, 6).
    const third = await renew(second.body.refresh_token, { client_id: keyIdOf(tenant.key), client_secret: tenant.key });
    expect(third.body.scope).toBe('agents:read tools:read');
    const sids = [first, second.body, third.body].map(({ access_token: token }) => decodeJwt(token)['sid']);
    expect(new Set(sids).size).toBe(1);
    for (const { access_token: token } of [first, second.body, third.body]) expect((await by(token, there)).status).toBe(200);
  });

  test('is for the key it was granted to', async () => {
    const { refresh_token: token } = await byKey(tenant.key);
    problemOf(await renew(token, { client_id: keyIdOf(agentKey) }), 400, 'invalid_grant');
    problemOf(await renew(token, { client_secret: agentKey }), 400, 'invalid_grant');
    problemOf(await renew(token, { client_secret: 'x' }), 401, 'invalid_client');
    expect((await renew(token)).status).toBe(200);
  });

  test('used twice, ends the family, access tokens included, and is told', async () => {
    const first = await byKey(tenant.key);
    const second = (await renew(first.refresh_token)).body;
    problemOf(await renew(first.refresh_token, {}, here), 400, 'invalid_grant');
    problemOf(await renew(second.refresh_token), 400, 'invalid_grant');
    for (const { access_token: token } of [first, second]) problemOf(await by(token), 401, 'unauthenticated');
    const events = await settledTrail(new Asker(here, tenant.key), tenant.id);
    const id = decodeJwt(first.access_token)['sid'];
    expect(events.filter(({ entity }) => entity.id === id).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      // Of a token that was ours, and is shown once more.
      'auth.failed denied',
      'token.reuse_detected denied',
      'token.issued success',
      'token.issued success',
    ]);
  });

  test('invented, ends nothing', async () => {
    const { access_token: token, refresh_token: refresh } = await byKey(tenant.key);
    const [, , family = ''] = refresh.split('_');
    const { crc32 } = await import('node:zlib');
    const forged = `fgr_${tenant.id}_${family}_${'a'.repeat(64)}`;
    problemOf(await renew(forged + crc32(forged).toString(16).padStart(8, '0')), 400, 'invalid_grant');
    for (const text of ['x', `${refresh}x`, token, refresh.toUpperCase()]) problemOf(await renew(text), 400, 'invalid_grant');
    expect((await by(token)).status).toBe(200);
    expect((await renew(refresh)).status).toBe(200);
  });

  test('used at once by many at two hosts, is used by one at most, and the family ends', async () => {
    for (let round = 0; round < 5; round++) {
      const { access_token: token, refresh_token: refresh } = await byKey(tenant.key);
      const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => renew(refresh, {}, at % 2 === 0 ? here : there)));
      const won = answers.filter(({ status }) => status === 200);
      expect(won.length).toBeLessThanOrEqual(1);
      for (const answer of answers) if (answer.status !== 200) problemOf(answer, 400, 'invalid_grant');
      for (const { body } of won) problemOf(await renew(body.refresh_token), 400, 'invalid_grant');
      await until('the family has ended', async () => (await by(token)).status === 401, promisedMs);
    }
  });
});

describe('POST /api/auth/revoke', () => {
  const revoke = (token: string, more: Record<string, string> = {}) =>
    new Asker(here).ask('POST', '/api/auth/revoke', { json: { token, ...more } });

  test.for(['access_token', 'refresh_token'] as const)('ends the family of an %s', async (kind) => {
    const tokens = await byKey(tenant.key);
    const other = await byKey(tenant.key);
    expect((await revoke(tokens[kind], { token_type_hint: kind })).status).toBe(200);
    problemOf(await by(tokens.access_token), 401, 'unauthenticated');
    problemOf(await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }), 400, 'invalid_grant');
    expect((await by(other.access_token)).status).toBe(200);
    expect((await revoke(tokens[kind])).status).toBe(200);
  });

  test('does nothing about what is no token', async () => {
    const { access_token: token } = await byKey(tenant.key);
    for (const text of ['x', tenant.key, `${token}x`, `${token.slice(0, -4)}AAAA`, token.split('.').slice(0, 2).join('.')])
      expect((await revoke(text)).status).toBe(200);
    expect((await by(token)).status).toBe(200);
    problemOf(await new Asker(here).ask('POST', '/api/auth/revoke', { json: {} }), 400, 'validation_failed');
  });
});
