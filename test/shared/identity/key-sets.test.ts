// Key sets of others: what a slow, dead, wrong or hostile key server can do, which is nothing to keys that are known. Time is moved by hand.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeySets } from '../../../shared/identity/key-sets.ts';
import { Outbound } from '../../../shared/outbound/outbound.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { until } from '../../flowgrid.ts';
import { KeyServer, makeKey } from './key-server.ts';

const acme = TenantId.parse('acme');
const globex = TenantId.parse('globex');
const one = makeKey('one');
const two = makeKey('two');
const minute = 60_000;
const hour = 60 * minute;

let server: KeyServer;
let outbound: Outbound;
let sets: KeySets;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  server = await new KeyServer().start();
  server.keys = [one.jwk];
  outbound = new Outbound({ outboundLoopback: true });
  sets = new KeySets(outbound);
});
afterEach(async () => {
  vi.useRealTimers();
  server.stop();
  await outbound.close();
});

const find = (kid: string | undefined, alg = 'ES256', tenantId = acme) => sets.find(tenantId, { issuer: server.issuer }, { kid, alg });
const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

describe('a key', () => {
  it('is found where the discovery document says, with one fetch for all who ask', async () => {
    const found = await Promise.all(Array.from({ length: 50 }, () => find('one')));
    for (const key of found) expect(key?.equals(one.publicKey)).toBe(true);
    expect(server.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('is found where the tenant says, without a discovery document', async () => {
    const key = await sets.find(acme, { issuer: 'https://issuer.example', jwksUri: `${server.issuer}/keys` }, { kid: 'one', alg: 'ES256' });
    expect(key?.equals(one.publicKey)).toBe(true);
    expect(server.asked).toEqual(['/keys']);
  });

  it('is each tenant’s own', async () => {
    await find('one');
    await find('one', 'ES256', globex);
    expect(server.fetches).toBe(2);
  });

  it('is not found for another algorithm than its own', async () => {
    server.keys = [one.jwk, makeKey('rsa', 'RS256').jwk];
    for (const alg of ['RS256', 'ES384', 'HS256', 'none', 'EdDSA']) expect(await find('one', alg)).toBeUndefined();
    expect(await find('rsa', 'PS256')).toBeUndefined();
    expect(await find('rsa', 'RS256')).toBeDefined();
  });

  it('that is not named is the only one there is, or none', async () => {
    expect(await find(undefined)).toBeDefined();
    server.keys = [one.jwk, two.jwk];
    pass(11 * minute);
    await find('one');
    await until('the keys are fetched again', async () => server.fetches === 2 && (await find('two')) !== undefined);
    expect(await find(undefined)).toBeUndefined();
  });

  it.each([
    ['encrypts', { ...one.jwk, use: 'enc' }],
    ['may not verify', { ...one.jwk, key_ops: ['encrypt'] }],
    ['is shared', { kty: 'oct', k: 'AAAA', kid: 'one', alg: 'ES256' }],
    ['is not on its curve', { ...one.jwk, x: 'A'.repeat(43) }],
    ['is of a curve we do not use', { ...one.jwk, crv: 'secp256k1' }],
    ['has no name it could be called by', { ...one.jwk, kid: { one: 1 } }],
    ['is no key', 'one'],
  ])('that %s is none', async (_, jwk) => {
    server.keys = [jwk as Record<string, unknown>];
    expect(await find('one')).toBeUndefined();
  });

  it('of too few bits is none', async () => {
    const short = makeKey('short', 'RS256');
    server.keys = [{ ...short.jwk, n: String(short.jwk['n']).slice(0, 171) }];
    expect(await find('short', 'RS256')).toBeUndefined();
  });
});

describe('a known key', () => {
  const troubles: readonly (readonly [string, KeyServer['instead']])[] = [
    ['dead', (request) => request.socket.destroy()],
    ['slow', () => undefined],
    ['failing', (_request, response) => response.writeHead(500).end()],
    [
      'huge',
      (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify('a'.repeat(300_000))),
    ],
    ['wrong', (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":"none"}')],
    ['astray', (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/keys' }).end()],
  ];

  it.each(troubles)('is used at once when its server is %s, up to a day', async (name, trouble) => {
    await find('one');
    server.instead = trouble;
    for (let hours = 1; hours < 24; hours++) {
      pass(hour);
      expect(await find('one')).toBeDefined();
    }
    // It has been asked for behind the answers, once each hour at most; now it is too old to use.
    expect(server.asked.length).toBeLessThanOrEqual(2 + 23);
    if (name === 'slow') return;
    pass(hour);
    expect(await find('one')).toBeUndefined();
  });

  it('is refreshed behind the answer, and gone when its server has it no more', async () => {
    await find('one');
    server.keys = [two.jwk];
    pass(11 * minute);
    expect(await find('one')).toBeDefined();
    await until('it is gone', async () => (await find('one')) === undefined);
    expect(await find('two')).toBeDefined();
  });

  it('is not fetched again within ten minutes', async () => {
    for (let count = 0; count < 9; count++) {
      await find('one');
      pass(minute);
    }
    expect(server.fetches).toBe(1);
  });
});

describe('an unknown key', () => {
  it('causes one fetch a minute, however many are named', async () => {
    for (let round = 1; round <= 3; round++) {
      await Promise.all(Array.from({ length: 500 }, (_, at) => find(`unknown-${round}-${at}`)));
      for (let count = 0; count < 20; count++) await find(`unknown-${round}-${count}`);
      expect(server.fetches).toBe(round);
      pass(minute);
    }
  });

  it('that was put in force just now is found, although another was found before', async () => {
    await find('one');
    server.keys = [one.jwk, two.jwk];
    expect(await find('two')).toBeDefined();
    expect(server.fetches).toBe(2);
    await find('three');
    await find('four');
    expect(server.fetches).toBe(3);
  });

  it('does not come from a document of another issuer', async () => {
    const other = await new KeyServer().start();
    other.keys = [two.jwk];
    server.instead = (_request, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ issuer: other.issuer, jwks_uri: `${other.issuer}/keys` }));
    expect(await find('two')).toBeUndefined();
    expect(other.asked).toEqual([]);
    other.stop();
  });

  it.each(['http://169.254.169.254/keys', 'https://10.0.0.1/keys', 'file:///etc/passwd', 'nowhere'])(
    'does not come from %s',
    async (jwks_uri) => {
      server.instead = (_request, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ issuer: server.issuer, jwks_uri }));
      expect(await find('one')).toBeUndefined();
      expect(server.asked).toHaveLength(1);
    },
  );

  it('of a server that is back is found after a minute', async () => {
    server.instead = (request) => request.socket.destroy();
    expect(await find('one')).toBeUndefined();
    server.instead = undefined;
    expect(await find('one')).toBeUndefined();
    pass(minute);
    expect(await find('one')).toBeDefined();
  });
});
