// Everything that is known to go wrong with signed tokens (protocols 9), tried on our own. Most of these are signed with our very key: what is refused
// is not refused for a bad signature.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';
import { type Members, TokenForge } from '../functions/identity/token-forge.ts';

const local = inject('local');
const forge = new TokenForge(local);
const anyone = new Asker(local.api);

let tenant: TestTenant;
let victim: TestTenant;
let token: string;
let foreign: string;
let kid: string;

async function tokenOf({ key }: TestTenant): Promise<string> {
  const json = { grant_type: 'client_credentials', client_secret: key, scope: 'agents:read tenant:read' };
  return (await anyone.post<{ access_token: string }>('/api/auth/token', json)).access_token;
}

beforeAll(async () => {
  [tenant, victim] = await Promise.all([newTenant(local), newTenant(local)]);
  [token, foreign] = await Promise.all([tokenOf(tenant), tokenOf(victim)]);
  kid = String(decodeProtectedHeader(token).kid);
});

const by = (text: string) =>
  anyone.ask<{ tenantId: string; scopes: string[]; subject: string }>('GET', '/api/auth/whoami', {
    headers: { authorization: `Bearer ${text}` },
  });
const refused = async (text: string, why?: string) => expect([why, (await by(text)).status]).toEqual([why, 401]);
const part = (value: object | string) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const at = () => Math.floor(Date.now() / 1_000);

test('what the forge makes unchanged is taken: so what follows is refused for what it says', async () => {
  expect((await by(await forge.like(token, {}))).body.tenantId).toBe(tenant.id);
});

describe('the algorithm', () => {
  test('none', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, 0, true, ['ES256']]) {
      const input = `${part({ alg, typ: 'at+jwt', kid })}.${token.split('.')[1]}`;
      for (const signature of ['', token.split('.')[2]]) await refused(`${input}.${signature}`, String(alg));
    }
  });

  test('HMAC with our public key, in any of its writings, as the secret', async () => {
    const { keys } = await anyone.get<{ keys: { kid: string; x: string; y: string }[] }>('/.well-known/jwks.json');
    const key = keys.find((each) => each.kid === kid);
    const raw = Buffer.concat([Buffer.from([4]), Buffer.from(key?.x ?? '', 'base64url'), Buffer.from(key?.y ?? '', 'base64url')]);
    const secrets = [raw, Buffer.from(JSON.stringify(key)), Buffer.from(key?.x ?? ''), Buffer.from(kid), Buffer.alloc(32), Buffer.alloc(0)];
    for (const [alg, digest] of [
      ['HS256', 'sha256'],
      ['HS512', 'sha512'],
      ['ES256', 'sha256'],
    ] as const) {
      const input = `${part({ alg, typ: 'at+jwt', kid })}.${token.split('.')[1]}`;
      for (const secret of secrets) await refused(`${input}.${createHmac(digest, secret).update(input).digest('base64url')}`);
    }
  });

  test('others than ES256, with our signature or a right one', async () => {
    for (const alg of ['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'ES256K', 'es256'])
      await refused(await forge.like(token, { header: { alg } }));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const input = `${part({ alg: 'RS256', typ: 'at+jwt', kid })}.${token.split('.')[1]}`;
    await refused(`${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`);
  });

  test('a signature of zeros, of DER, or with its halves moved', async () => {
    const input = token.slice(0, token.lastIndexOf('.'));
    const signature = Buffer.from(token.split('.')[2] ?? '', 'base64url');
    const swapped = Buffer.concat([signature.subarray(32), signature.subarray(0, 32)]);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = sign('sha256', Buffer.from(input), privateKey);
    for (const bytes of [
      Buffer.alloc(64),
      Buffer.alloc(63),
      swapped,
      der,
      signature.subarray(0, 63),
      Buffer.concat([signature, Buffer.alloc(1)]),
    ])
      await refused(`${input}.${bytes.toString('base64url')}`);
  });
});

describe('the key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ownSigned = (header: Members, key: KeyObject = privateKey) => {
    const input = `${part({ alg: 'ES256', typ: 'at+jwt', ...header })}.${token.split('.')[1]}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };

  test('brought along, in jwk, x5c, jku or x5u: none is looked at', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'mine', alg: 'ES256', use: 'sig' }] }));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/jwks.json`;
    const jwk = publicKey.export({ format: 'jwk' });
    for (const name of ['mine', kid])
      for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['AAAA'] }]) await refused(ownSigned({ kid: name, ...header }));
    expect(asked).toBe(0);
    server.close();
  });

  test('by names that are none: paths, queries, other versions, other types', async () => {
    const names = [
      '',
      '.',
      '..',
      '../..',
      `${kid}/`,
      `../keys/p--tokens/${kid}`,
      `${kid}?x`,
      `${kid}\0`,
      kid.toUpperCase(),
      'latest',
      'k'.repeat(5_000),
      '__proto__',
      'constructor',
    ];
    for (const name of names) await refused(ownSigned({ kid: name }), name.slice(0, 20));
    for (const name of [undefined, null, 0, [kid], { kid }, true]) {
      await refused(ownSigned({ kid: name }), JSON.stringify(name));
      await refused(await forge.like(token, { header: { kid: name } }), JSON.stringify(name));
    }
  });

  test('of another: a right signature by a key that is not ours', async () => refused(ownSigned({ kid })));
});

describe('the header', () => {
  test('another type: an ID token, a passport, none', async () => {
    for (const typ of [
      'JWT',
      'jwt',
      'AT+JWT',
      'application/at+jwt',
      'id+jwt',
      'flowgrid-passport+jwt',
      'logout+jwt',
      '',
      null,
      undefined,
      ['at+jwt'],
    ])
      await refused(await forge.like(token, { header: { typ } }), String(typ));
  });

  test('crit, known or unknown', async () => {
    for (const crit of [['exp'], ['b64'], ['x'], [], 'x', null]) await refused(await forge.like(token, { header: { crit, x: 1, exp: 1 } }));
    await refused(await forge.like(token, { header: { crit: ['b64'], b64: false } }));
  });

  test('a member twice, however it is written', async () => {
    const claims = JSON.stringify(decodeJwt(token));
    const header = JSON.stringify(decodeProtectedHeader(token));
    for (const more of [`"kid":"${kid}"`, '"alg":"none"', '"\\u0061lg":"ES256"'])
      await refused(await forge.sign(`${header.slice(0, -1)},${more}}`, claims, kid), more);
    for (const more of [`"tenant_id":"${victim.id}"`, `"\\u0074enant_id":"${tenant.id}"`, '"exp":9999999999'])
      await refused(await forge.sign(header, `${claims.slice(0, -1)},${more}}`, kid), more);
  });
});

describe('the claims', () => {
  const rows: readonly [string, () => Members][] = [
    ['another issuer', () => ({ iss: 'https://issuer.example' })],
    ['our issuer with a slash', () => ({ iss: `${local.api}/` })],
    ['no issuer', () => ({ iss: undefined })],
    ['another audience', () => ({ aud: 'https://api.example' })],
    ['the audience of external tokens', () => ({ aud: `${local.api}/t/${tenant.id}` })],
    ['several audiences', () => ({ aud: [local.api, 'https://api.example'] })],
    ['no audience', () => ({ aud: undefined })],
    ['expired', () => ({ iat: at() - 1_000, nbf: at() - 1_000, exp: at() - 100 })],
    ['expired a second ago', () => ({ iat: at() - 901, nbf: at() - 901, exp: at() - 1 })],
    ['not yet in force', () => ({ nbf: at() + 600 })],
    ['of the future', () => ({ iat: at() + 600, nbf: at() + 600, exp: at() + 1_500 })],
    ['no end', () => ({ exp: undefined })],
    ['an end that is text', () => ({ exp: String(at() + 900) })],
    ['an end without end', () => ({ exp: 1e308 })],
    ['a year long', () => ({ exp: at() + 31_536_000 })],
    ['no beginning', () => ({ iat: undefined })],
    ['no subject', () => ({ sub: undefined })],
    ['no id', () => ({ jti: undefined })],
    ['no family', () => ({ sid: undefined })],
    ['a family of another tenant', () => ({ sid: decodeJwt(foreign)['sid'] })],
    ['a family that is none', () => ({ sid: 'nobody' })],
    ['no key', () => ({ client_id: undefined })],
    ["another tenant's key", () => ({ client_id: decodeJwt(foreign)['client_id'], sub: decodeJwt(foreign).sub })],
    ["another tenant's key and family", () => ({ client_id: decodeJwt(foreign)['client_id'], sid: decodeJwt(foreign)['sid'] })],
    ['no tenant', () => ({ tenant_id: undefined })],
    ['another tenant', () => ({ tenant_id: victim.id })],
    ['another tenant by the synonym', () => ({ tenant_id: undefined, tenantId: victim.id })],
    ['two tenants', () => ({ tenantId: victim.id })],
    ['the platform', () => ({ tenant_id: 'platform' })],
    ['no id of a tenant', () => ({ tenant_id: '../x' })],
    ['scopes as text', () => ({ scopes: 'agents:read' })],
    ['scopes that are none', () => ({ scopes: ['platform:tenants'] })],
    ['no scopes', () => ({ scopes: undefined })],
    ['a role that is none', () => ({ role: 'platform-admin' })],
  ];
  test.for(rows)('%s', async ([why, claims]) => refused(await forge.like(token, { claims: claims() }), why));

  test('the tenant by its synonym, alone or beside it, is the tenant', async () => {
    const { id: tenantId } = tenant;
    for (const claims of [{ tenant_id: undefined, tenantId }, { tenantId }])
      expect((await by(await forge.like(token, { claims }))).body).toMatchObject({ tenantId });
  });

  test('grant no more than the key holds, whatever they say of role, agent and subject', async () => {
    const { FLOWGRID_API_TOKEN: key = '' } = await tenant.owner.ask<Record<string, string>>(
      'POST',
      `/tenants/${tenant.id}/agents/scout/environment`,
    );
    const json = { grant_type: 'client_credentials', client_secret: key };
    const { access_token: own } = await anyone.post<{ access_token: string }>('/api/auth/token', json);
    const wider = { scopes: ['agents:read', 'audit:read', 'tenant:write'], role: 'owner', agent_id: 'other-agent', sub: 'somebody' };
    expect((await by(await forge.like(own, { claims: wider }))).body).toMatchObject({
      role: 'agent',
      scopes: ['agents:read'],
      agentId: 'scout',
      subject: key.split('_')[2],
    });
  });
});

describe('the text', () => {
  test('in any other spelling of the same', async () => {
    const [head = '', body = '', tail = ''] = token.split('.');
    const last = tail.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const sloppy = tail.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    for (const text of [
      `${head}.${body}.${tail}=`,
      `${head}=.${body}.${tail}`,
      `${head}.${body}.${sloppy}`,
      `${head}.${body}.${tail}.`,
      `.${head}.${body}.${tail}`,
      `${head}.${body}.${tail}.${tail}`,
      `${head}..${tail}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${body}.${tail}%`,
      `${part({ payload: body, protected: head, signature: tail })}`,
    ])
      await refused(text, text.slice(-12));
  });

  test('far too long, for us or for the host before us', async () => {
    for (const length of [11_000, 11_300, 12_000, 100_000]) {
      const long = await forge.like(token, { claims: { padding: 'x'.repeat(length) } });
      const { status } = await fetch(`${local.api}/api/auth/whoami`, { headers: { authorization: `Bearer ${long}` } });
      expect([length, status === 401 || status === 431 || (status === 200 && long.length <= 16_384)]).toEqual([length, true]);
    }
  });

  test('as an API key or in a query is none', async () => {
    expect((await anyone.ask('GET', '/api/auth/whoami', { headers: { 'x-api-key': token } })).status).toBe(200);
    problemOf(await anyone.ask('GET', `/api/auth/whoami?access_token=${token}`), 401, 'unauthenticated');
    problemOf(
      await anyone.ask('POST', '/api/auth/token', { json: { grant_type: 'client_credentials', client_secret: token } }),
      401,
      'invalid_client',
    );
  });
});

describe('a token of one tenant', () => {
  test("is one of the tenant's own callers, everywhere", async () => {
    const headers = { authorization: `Bearer ${token}` };
    expect((await anyone.ask('GET', `/tenants/${tenant.id}`, { headers })).status).toBe(200);
    problemOf(await anyone.ask('GET', `/tenants/${victim.id}`, { headers }), 404, 'not_found');
    problemOf(await anyone.ask('GET', `/api/registry/agents?tenantId=${victim.id}`, { headers }), 403, 'tenant_mismatch');
    problemOf(await anyone.ask('GET', '/tenants', { headers }), 403, 'scope_missing');
    problemOf(await anyone.ask('POST', '/api/messaging/token', { headers, json: { queue: `${tenant.id}-scout` } }), 403, 'scope_missing');
  });
});
