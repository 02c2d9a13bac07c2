// Signed cards: keys the tenant pins or lists, signatures made by the SDK of the protocol's authors, and what is refused.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AgentCard, generateAgentCardSignature, verifyAgentCardSignature } from '@a2a-js/sdk';
import { type CryptoKey, exportJWK, FlattenedSign, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { canonical } from '../../../shared/messaging/canonical.ts';
import { cardOf, newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { changesNothing, settledTrail } from '../trail.ts';
import { cards } from './cards.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Pair {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

async function pair(kid: string, alg = 'ES256'): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid } };
}

const asked: string[] = [];
let served: Pair;
const server = createServer((request, response) => {
  asked.push(request.url ?? '');
  response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: [served.jwk] }));
});

let tenant: TestTenant;
let owner: Asker;
let pinned: Pair;
let stranger: Pair;
let keySet = '';
const signed = (card: object, { privateKey }: Pair, header: Record<string, unknown>) =>
  generateAgentCardSignature(privateKey, { typ: 'JOSE', ...header })(card as AgentCard) as Promise<object>;
const register = (id: string, card: object, by = owner) => by.ask('POST', `/api/registry/agents/${id}/register`, { json: { card } });
const set = async (settings: object) =>
  expect((await owner.ask('PATCH', `/tenants/${tenant.id}`, { json: { settings } })).status).toBe(200);
const outcomes = async (id: string) =>
  (await owner.get<{ items: { agentId: string; signatures?: object[] }[] }>('/api/registry/agents')).items.find(
    (each) => each.agentId === id,
  )?.signatures;

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  [pinned, stranger, served] = await Promise.all([pair('pinned'), pair('stranger'), pair('served', 'Ed25519')]);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  // A listening TCP server has an address.
  keySet = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys.json`;
  await set({ cardKeys: [pinned.jwk], cardKeyUrls: [keySet] });
});
afterAll(() => server.close());

describe('a signed card', () => {
  test('is verified by a pinned key, and shown so', async () => {
    const card = await signed(cardOf('Signed'), pinned, { alg: 'ES256', kid: 'pinned' });
    expect((await register('signed', card)).status).toBe(201);
    expect(await outcomes('signed')).toEqual([{ keyId: 'pinned', status: 'verified' }]);
    const shown = await owner.get<AgentCard>('/api/registry/agents/signed');
    expect(shown).toEqual(card);
    await verifyAgentCardSignature(async () => pinned.jwk as CryptoKey & JWK)(shown);
  });

  test('of 0.3 too, whole or without what was its default', async () => {
    const { 'x-unknown': _, ...whole } = cards['0.3'];
    const { protocolVersion: __, ...bare } = whole;
    const sign = async (payload: object) => {
      const jws = new FlattenedSign(Buffer.from(canonical(payload))).setProtectedHeader({ alg: 'ES256', kid: 'pinned' });
      const { protected: header, signature } = await jws.sign(pinned.privateKey);
      return { ...whole, signatures: [{ protected: header, signature }] };
    };
    const security = undefined;
    for (const [id, card] of [['whole', whole] as const, ['bare', { ...bare, security }] as const]) {
      expect((await register(id, await sign(card))).status).toBe(201);
      expect(await outcomes(id)).toEqual([{ keyId: 'pinned', status: 'verified' }]);
    }
  });

  test('is verified by a key of a listed key set', async () => {
    const card = await signed(cardOf('Set'), served, { alg: 'Ed25519', kid: 'served', jku: keySet });
    expect((await register('by-set', card)).status).toBe(201);
    expect(await outcomes('by-set')).toEqual([{ keyId: 'served', status: 'verified' }]);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set(['/keys.json']));
  });

  test('is taken with a key nobody knows, and no stranger is asked for it', async () => {
    const before = asked.length;
    const elsewhere = `${keySet}?other`;
    const once = await signed(cardOf('Unknown'), stranger, { alg: 'ES256', kid: 'stranger', jku: elsewhere });
    const twice = await signed(once, pinned, { alg: 'ES256', kid: 'pinned' });
    expect((await register('unknown', twice)).status).toBe(201);
    expect(await outcomes('unknown')).toEqual([
      { keyId: 'stranger', status: 'unknown_key' },
      { keyId: 'pinned', status: 'verified' },
    ]);
    expect(asked.length).toBe(before);
  });

  test('whose signature is none is as good as unsigned', async () => {
    const junk = [
      { protected: 'e30', signature: 'AA' },
      { protected: '%%', signature: '' },
      { protected: Buffer.from('{"alg":"ES256","kid":"pinned","kid":"x"}').toString('base64url'), signature: 'AA' },
    ];
    expect((await register('junk', { ...cardOf('Junk'), signatures: junk })).status).toBe(201);
    expect(await outcomes('junk')).toEqual(junk.map(() => ({ keyId: null, status: 'unknown_key' })));
  });

  test('has no signatures to show when it has none', async () => {
    await register('plain', cardOf('Plain'));
    expect(await outcomes('plain')).toBeUndefined();
  });
});

describe('a signature by a known key that does not verify is refused', () => {
  const bad = async (change: (card: Record<string, unknown>) => object, key = pinned, header: object = { alg: 'ES256', kid: 'pinned' }) => {
    const card = await signed(cardOf('Bad'), key, { ...header });
    const { errors } = problemOf(await register('bad', change({ ...card })), 400, 'card_signature_invalid');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/card/signatures/0']);
  };

  test('after any change of the card, and nothing is written but that it failed', async () => {
    await changesNothing(
      owner,
      tenant.id,
      async () => {
        await bad((card) => ({ ...card, description: 'Another.' }));
        await bad((card) => ({ ...card, iconUrl: 'https://elsewhere.example/icon.png' }));
        await bad((card) => ({
          ...card,
          supportedInterfaces: [{ url: 'https://evil.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
        }));
      },
      Array(3).fill('registration_failed card_signature_invalid'),
    );
  });

  test('by another key of the same name', () => bad((card) => card, stranger));

  test('by an algorithm that is not the key’s', async () => {
    const hmac = async (alg: string) => {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'pinned' })).toString('base64url');
      return { ...cardOf('Bad'), signatures: [{ protected: header, signature: 'AAAA' }] };
    };
    for (const alg of ['none', 'HS256', 'RS256', 'EdDSA']) problemOf(await register('bad', await hmac(alg)), 400, 'card_signature_invalid');
  });

  test('by a key that is no longer in the settings it is one nobody knows', async () => {
    const card = await signed(cardOf('Rotated'), pinned, { alg: 'ES256', kid: 'pinned' });
    await set({ cardKeys: [] });
    expect((await register('rotated', card)).status).toBe(201);
    expect(await outcomes('rotated')).toEqual([{ keyId: 'pinned', status: 'unknown_key' }]);
    await set({ cardKeys: [pinned.jwk] });
  });
});

describe('settings of a tenant about cards', () => {
  test('may require a signature that verifies', async () => {
    const strict = await newTenant(local);
    const boss = new Asker(there, strict.key);
    const settings = { signedCards: 'required', cardKeys: [pinned.jwk] };
    expect((await boss.ask('PATCH', `/tenants/${strict.id}`, { json: { settings } })).status).toBe(200);
    const unsigned = { ...cardOf('No'), name: 'No' };
    for (const card of [unsigned, cards['0.2'], await signed(unsigned, stranger, { alg: 'ES256', kid: 'stranger' })])
      problemOf(await register('strict', card, boss), 400, 'card_signature_invalid');
    expect((await register('strict', await signed(unsigned, pinned, { alg: 'ES256', kid: 'pinned' }), boss)).status).toBe(201);
    expect((await boss.ask('PATCH', `/tenants/${strict.id}`, { json: { settings: { signedCards: 'optional' } } })).status).toBe(200);
    expect((await register('lax', unsigned, boss)).status).toBe(201);
  });

  test('keep what a change does not name, and stand in the ledger', async () => {
    await set({ redirectUris: ['https://app.example/back'] });
    const { settings } = await owner.get<{ settings: object }>(`/tenants/${tenant.id}`);
    expect(settings).toEqual({ redirectUris: ['https://app.example/back'], cardKeys: [pinned.jwk], cardKeyUrls: [keySet] });
    const [event] = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'tenant.updated');
    expect(event?.new).toEqual({ settings });
  });

  test.for([
    ['a private key', '/settings/cardKeys/0', async () => ({ cardKeys: [{ ...(await exportJWK(pinned.privateKey)), kid: 'x' }] })],
    ['a key without an id', '/settings/cardKeys/0/kid', async () => ({ cardKeys: [{ ...pinned.jwk, kid: undefined }] })],
    ['a shared secret', '/settings/cardKeys/0/kty', async () => ({ cardKeys: [{ kty: 'oct', k: 'AAAA', kid: 'x' }] })],
    ['a point that is not on its curve', '/settings/cardKeys/0', async () => ({ cardKeys: [{ ...pinned.jwk, y: 'AAAA' }] })],
    ['a key set over http', '/settings/cardKeyUrls/0', async () => ({ cardKeyUrls: ['http://keys.example/jwks.json'] })],
    ['a key set with a password', '/settings/cardKeyUrls/0', async () => ({ cardKeyUrls: ['https://a:b@keys.example/jwks.json'] })],
    ['another word', '/settings/signedCards', async () => ({ signedCards: 'sometimes' })],
  ] as const)('refuse %s', async ([, pointer, settings]) => {
    const answer = await owner.ask('PATCH', `/tenants/${tenant.id}`, { json: { settings: await settings() } });
    expect(problemOf(answer, 400, 'validation_failed').errors?.map((each) => each.pointer)).toEqual([pointer]);
  });
});
