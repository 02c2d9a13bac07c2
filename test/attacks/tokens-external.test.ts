// Tokens of other issuers, and everything that must not pass for one (protocols, 9: the attack list for JWTs). Real issuers on loopback, two hosts.
import { createHmac, createSign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant, until } from '../flowgrid.ts';
import { type Answer, Asker, problemOf } from '../functions/asker.ts';
import { settledTrail } from '../functions/trail.ts';
import { KeyServer, makeKey, sign } from '../shared/identity/key-server.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Whoami {
  readonly tenantId: string;
  readonly subject: string;
  readonly method: string;
  readonly role: string;
  readonly groups: readonly string[];
}

const key = makeKey('one');
const rsa = makeKey('rsa', 'RS256');
let server: KeyServer;
let tenant: TestTenant;
let other: TestTenant;
let owner: Asker;

beforeAll(async () => {
  server = await new KeyServer().start();
  server.keys = [key.jwk, rsa.jwk];
  [tenant, other] = await Promise.all([newTenant(local), newTenant(local)]);
  owner = new Asker(here, tenant.key);
  await trust('main', { roleClaim: 'roles', roleMap: { dev: 'developer', boss: 'owner' }, groupsClaim: 'groups' });
});
afterAll(() => server.stop());

const trust = (name: string, order: object, issuer = server.issuer, by = owner, tenantId = tenant.id) =>
  by.ask('PUT', `/tenants/${tenantId}/issuers/${name}`, { json: { issuer, ...order } });

const seconds = () => Math.floor(Date.now() / 1_000);
const good = (twist: object = {}): Record<string, unknown> => ({
  iss: server.issuer,
  aud: `${here}/t/${tenant.id}`,
  sub: 'ada',
  exp: seconds() + 300,
  iat: seconds(),
  roles: ['dev'],
  ...twist,
});

const show = (token: string, host = here): Promise<Answer<Whoami>> =>
  new Asker(host).ask<Whoami>('GET', '/api/auth/whoami', { headers: { authorization: `Bearer ${token}` } });
const refused = async (token: string): Promise<void> => void problemOf(await show(token), 401, 'unauthenticated');
const encode = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe('a token of a trusted issuer', () => {
  test('makes its bearer somebody of the tenant its audience names', async () => {
    const { status, body } = await show(await sign(key, good({ groups: ['ops', 'night'] })));
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({
        tenantId: tenant.id,
        subject: 'main:ada',
        method: 'external',
        role: 'developer',
        groups: ['ops', 'night'],
      }),
    ]);
  });

  test.each(['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'] as const)('may be signed with %s', async (alg) => {
    const own = await new KeyServer().start();
    const each = makeKey(alg, alg);
    own.keys = [each.jwk];
    await trust('algorithms', { roleMap: { '*': 'viewer' } }, own.issuer);
    expect((await show(await sign(each, good({ iss: own.issuer })))).body.role).toBe('viewer');
    own.stop();
  });

  test.each([
    ['an audience that is a list', {}, { aud: (ours: string) => [ours] }],
    ['other audiences, for an access token', {}, { aud: (ours: string) => [ours, 'https://elsewhere.example'] }],
    ['the long name of its type', { typ: 'application/at+jwt' }, {}],
    ['no type, when it is for us alone', { typ: undefined }, {}],
    ['the type JWT, when it is for us alone', { typ: 'JWT' }, {}],
    ['no key id but one fitting key', { kid: undefined }, {}],
    ['a clock half a minute off', {}, { iat: () => seconds() + 30, nbf: () => seconds() + 30 }],
    ['an end half a minute ago', {}, { exp: () => seconds() - 30 }],
    ['a tenant that it claims for itself, which is not read', {}, { tenant_id: () => other.id, tenantId: () => other.id }],
    ['a pointer to keys elsewhere, which is not followed', { jku: 'http://127.0.0.1:9/keys', x5u: 'http://127.0.0.1:9/cert' }, {}],
  ])('may have %s', async (_, header, twist) => {
    const ours = `${here}/t/${tenant.id}`;
    const claims = Object.fromEntries(Object.entries(twist).map(([name, make]) => [name, (make as (ours: string) => unknown)(ours)]));
    const { status, body } = await show(await sign(key, good(claims), header as object));
    expect([status, body.tenantId]).toEqual([200, tenant.id]);
  });

  test('gives the highest role that the map has for any of its values, and none that the map does not have', async () => {
    const roleOf = async (roles: unknown) => (await show(await sign(key, good({ roles })))).body.role;
    expect(await roleOf('boss')).toBe('owner');
    expect(await roleOf(['dev', 'boss'])).toBe('owner');
    for (const roles of [['owner'], 'owner', 'platform-admin', '*', ['*'], [], undefined, 7, { dev: true }, '__proto__', 'constructor'])
      await refused(await sign(key, good({ roles })));
  });

  test('gives a role by a path of claims, or to everybody', async () => {
    const own = await new KeyServer().start();
    own.keys = [key.jwk];
    await trust('paths', { roleClaim: 'realm.roles', roleMap: { a: 'admin', '*': 'viewer' } }, own.issuer);
    const roleOf = async (claims: object) => (await show(await sign(key, good({ iss: own.issuer, ...claims })))).body.role;
    expect(await roleOf({ realm: { roles: ['a'] } })).toBe('admin');
    expect(await roleOf({ 'realm.roles': 'a' })).toBe('admin');
    expect(await roleOf({ realm: 'a' })).toBe('viewer');
    own.stop();
  });

  test('never holds more than its role: it acts, and is named in the ledger', async () => {
    const asker = new Asker(here);
    const headers = { authorization: `Bearer ${await sign(key, good())}` };
    problemOf(await asker.ask('GET', `/tenants/${tenant.id}/audit`, { headers }), 403, 'scope_missing');
    problemOf(await asker.ask('GET', `/tenants/${other.id}/integrations`, { headers }), 404, 'not_found');
    const [event] = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'security.cross_tenant');
    expect(event?.actor).toEqual({ type: 'user', id: 'main:ada', method: 'external' });
  });
});

describe('no token is', () => {
  test('unsigned, whatever it says', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', ''])
      for (const signature of ['', 'AA', encode('{}')])
        await refused(`${encode({ alg, typ: 'at+jwt', kid: 'one' })}.${encode(good())}.${signature}`);
  });

  test('signed with a public key as if it were a shared secret', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    for (const alg of ['HS256', 'HS384', 'HS512'])
      for (const secret of [pem, String(pem).trim(), JSON.stringify(rsa.jwk), rsa.publicKey.export({ type: 'spki', format: 'der' })]) {
        const input = `${encode({ alg, typ: 'at+jwt', kid: 'rsa' })}.${encode(good())}`;
        await refused(`${input}.${createHmac(alg.replace('HS', 'sha'), secret).update(input).digest('base64url')}`);
      }
  });

  test('signed with the key of one algorithm under the name of another', async () => {
    const input = `${encode({ alg: 'RS512', typ: 'at+jwt', kid: 'rsa' })}.${encode(good())}`;
    await refused(`${input}.${createSign('sha512').update(input).sign(rsa.privateKey).toString('base64url')}`);
    await refused(await sign({ ...key, kid: 'rsa' }, good()));
    await refused(await sign({ ...rsa, kid: 'one' }, good()));
  });

  test('signed with a key that it brings along, or points to', async () => {
    const mine = makeKey('mine');
    const elsewhere = await new KeyServer().start();
    elsewhere.keys = [mine.jwk];
    for (const header of [{ jwk: mine.jwk }, { jku: `${elsewhere.issuer}/keys` }, { x5u: `${elsewhere.issuer}/cert` }, { x5c: ['AAAA'] }])
      for (const kid of ['mine', 'one']) await refused(await sign({ ...mine, kid }, good(), header as object));
    expect(elsewhere.asked).toEqual([]);
    elsewhere.stop();
  });

  test.each(['../../keys/one', '/dev/null', 'one\u0000', "one' OR 1=1", 'http://127.0.0.1:9/one', '__proto__', 'x'.repeat(8_000)])(
    'signed with a key called %j',
    async (kid) => {
      await refused(await sign({ ...makeKey('mine'), kid }, good()));
      await refused(await sign({ ...key, kid }, good()));
    },
  );

  test('of an extension we do not understand', async () => {
    const input = `${encode({ alg: 'ES256', kid: 'one', typ: 'at+jwt', crit: ['exp'], exp: 1 })}.${encode(good())}`;
    const signature = createSign('sha256').update(input).sign({ key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    await refused(`${input}.${signature.toString('base64url')}`);
  });

  test.each<[string, object]>([
    ['of no issuer', { iss: undefined }],
    ['of an issuer nobody trusts', { iss: 'https://issuer.example' }],
    ['of an issuer spelled otherwise', { iss: 'slash' }],
    ['of several issuers', { iss: ['list'] }],
    ['for nobody', { aud: undefined }],
    ['for a client', { aud: 'flowgrid' }],
    ['for us as a whole', { aud: 'base' }],
    ['for another tenant', { aud: 'other' }],
    ['for two tenants', { aud: 'both' }],
    ['for a tenant and what is no tenant', { aud: 'odd' }],
    ['for a tenant nobody has', { aud: 'nobody' }],
    ['for an audience that is no text', { aud: [{}] }],
    ['without an end', { exp: undefined }],
    ['of an end that is no number', { exp: '9999999999' }],
    ['ended', { exp: seconds() - 120 }],
    ['not begun', { nbf: seconds() + 300 }],
    ['of the future', { iat: seconds() + 300 }],
    ['of a beginning that is no number', { nbf: 'now' }],
    ['for longer than a day', { exp: seconds() + 90_000 }],
    ['begun so long ago that it lasts longer than a day', { iat: seconds() - 90_000 }],
    ['without a subject', { sub: undefined }],
    ['of a subject that is no text', { sub: 7 }],
    ['of a subject with a line feed', { sub: 'a\nb' }],
    ['of an endless subject', { sub: 'a'.repeat(256) }],
    ['an ID token: it has a nonce', { nonce: 'n' }],
    ['an ID token: it has the hash of a token', { at_hash: 'h' }],
    ['of groups that are none', { groups: [{ name: 'ops' }] }],
    ['of too many groups', { groups: Array.from({ length: 201 }, (_, at) => `group-${at}`) }],
  ])('%s', async (_, twist) => {
    const base = `${here}/t/`;
    const stand: Record<string, unknown> = {
      slash: `${server.issuer}/`,
      base: here,
      other: base + other.id,
      both: [base + tenant.id, base + other.id],
      odd: [base + tenant.id, `${base}..`],
      nobody: `${base}nobody-at-all`,
    };
    const claims = Object.fromEntries(Object.entries(twist).map(([name, value]) => [name, stand[String(value)] ?? value]));
    await refused(await sign(key, good(claims)));
  });

  test.each(['id_token+jwt', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', 'at+jwt+jwt', 'jose', '', 7])('of the type %s', async (typ) => {
    await refused(await sign(key, good(), { typ } as object));
  });

  test('of no type for others too: that is how an ID token looks', async () => {
    for (const typ of [undefined, 'JWT'])
      await refused(await sign(key, good({ aud: [`${here}/t/${tenant.id}`, 'flowgrid'] }), { typ } as object));
  });

  test('one that says a thing twice', async () => {
    const twice = JSON.stringify(good()).replace('{', '{"sub":"root",');
    await refused(await sign(key, twice));
    await refused(await sign(key, JSON.stringify(good({ deep: {} })).replace('"deep":{}', '"deep":{"a":1,"\\u0061":2}')));
    const header = `{"alg":"none","alg":"ES256","kid":"one","typ":"at+jwt"}`;
    const input = `${encode(header)}.${encode(good())}`;
    const signature = createSign('sha256').update(input).sign({ key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    await refused(`${input}.${signature.toString('base64url')}`);
  });

  test('spelled otherwise', async () => {
    const token = await sign(key, good());
    expect((await show(token)).status).toBe(200);
    const [header = '', payload = '', signature = ''] = token.split('.');
    for (const respelled of [
      `${token}=`,
      `${token}.`,
      `.${token}`,
      `${header}.${payload}`,
      `${header}..${signature}`,
      `${header}.${payload}.`,
      `${token}A`,
      `${header}=.${payload}.${signature}`,
    ])
      await refused(respelled);
    await refused(token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A'));
  });

  test('too long', async () => {
    // More than the host takes in headers is refused by the host itself.
    const { status } = await fetch(`${here}/api/auth/whoami`, {
      headers: { authorization: `Bearer ${await sign(key, good({ pad: 'a'.repeat(12_400) }))}` },
    });
    expect([401, 431]).toContain(status);
  });

  test('of an issuer of another tenant', async () => {
    const theirs = await new KeyServer().start();
    theirs.keys = [key.jwk];
    const token = await sign(key, good({ iss: theirs.issuer }));
    await trust('theirs', { roleMap: { '*': 'owner' } }, theirs.issuer, new Asker(here, other.key), other.id);
    await refused(token);
    expect(theirs.asked).toEqual([]);
    theirs.stop();
  });
});

describe('an issuer', () => {
  test('that is not in the tenant’s list is never asked for anything', async () => {
    const stranger = await new KeyServer().start();
    for (const aud of [`${here}/t/${tenant.id}`, `${here}/t/nobody-at-all`, 'flowgrid'])
      await refused(await sign(key, good({ iss: stranger.issuer, aud })));
    expect(stranger.asked).toEqual([]);
    stranger.stop();
  });

  test('asked for keys it does not have is asked once a minute at most', async () => {
    const own = await new KeyServer().start();
    own.keys = [key.jwk];
    await trust('flooded', { roleMap: { '*': 'viewer' } }, own.issuer);
    const tokens = await Promise.all(
      Array.from({ length: 60 }, (_, at) => sign({ ...key, kid: `unknown-${at}` }, good({ iss: own.issuer }))),
    );
    await Promise.all(tokens.map(refused));
    expect(own.fetches).toBe(1);
    expect((await show(await sign(key, good({ iss: own.issuer })))).status).toBe(200);
    expect(own.fetches).toBe(1);
    own.stop();
  });

  test('may take a new key into force at any moment', async () => {
    const own = await new KeyServer().start();
    own.keys = [key.jwk];
    await trust('rotating', { roleMap: { '*': 'viewer' } }, own.issuer);
    expect((await show(await sign(key, good({ iss: own.issuer })))).status).toBe(200);
    const next = makeKey('next');
    own.keys = [key.jwk, next.jwk];
    expect((await show(await sign(next, good({ iss: own.issuer })))).status).toBe(200);
    expect((await show(await sign(key, good({ iss: own.issuer })))).status).toBe(200);
    own.stop();
  });

  test('that dies takes no known key along', async () => {
    const own = await new KeyServer().start();
    own.keys = [key.jwk];
    await trust('dying', { roleMap: { '*': 'viewer' } }, own.issuer);
    expect((await show(await sign(key, good({ iss: own.issuer })))).status).toBe(200);
    own.instead = () => undefined;
    await Promise.all(
      Array.from({ length: 5 }, async (_, at) => expect((await show(await sign(key, good({ iss: own.issuer, at })))).status).toBe(200)),
    );
    own.stop();
    expect((await show(await sign(key, good({ iss: own.issuer, at: 9 })))).status).toBe(200);
  });

  test.each<[string, KeyServer['instead']]>([
    ['dead', (request) => request.socket.destroy()],
    [
      'huge',
      (_request, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(`{"keys":[],"pad":"${'a'.repeat(400_000)}"}`),
    ],
    [
      'sending us to the metadata service',
      (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/keys' }).end(),
    ],
    ['sending us to a private address', (_request, response) => response.writeHead(307, { location: 'https://10.0.0.1/keys' }).end()],
    ['talking of something else', (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('{"keys":[]}')],
  ])('that is %s proves nothing, and breaks nothing', async (name, trouble) => {
    const own = await new KeyServer().start();
    own.instead = trouble;
    await trust('trouble', { roleMap: { '*': 'viewer' } }, own.issuer);
    await refused(await sign(key, good({ iss: own.issuer, name })));
    expect((await show(await sign(key, good({ name })))).status).toBe(200);
    own.stop();
  });

  test('taken off the list is over within two seconds on the other host, and at once on this one', async () => {
    const own = await new KeyServer().start();
    own.keys = [key.jwk];
    await trust('ending', { roleMap: { '*': 'viewer' } }, own.issuer);
    const token = await sign(key, good({ iss: own.issuer }));
    // Twice: the second is answered from what was verified.
    for (let count = 0; count < 2; count++) expect([(await show(token)).status, (await show(token, there)).status]).toEqual([200, 200]);
    expect((await owner.ask('DELETE', `/tenants/${tenant.id}/issuers/ending`)).status).toBe(204);
    const since = performance.now();
    await refused(token);
    await until('the other host has heard of it', async () => (await show(token, there)).status === 401);
    expect(performance.now() - since).toBeLessThan(2_500);
    own.stop();
  });

  test('of another address’s audience is not ours', async () => {
    await refused(await sign(key, good({ aud: `${there}/t/${tenant.id}` })));
  });
});
