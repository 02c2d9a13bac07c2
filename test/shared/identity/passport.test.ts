// Passports: one recipient can check one, and nobody can make, move, change or keep one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bearer, makePassport, verifyPassport } from '../../../shared/identity/passport.ts';
import { deriveKey, sign } from '../../../shared/messaging/signature.ts';

const secret = Buffer.alloc(32, 7);
const at = Date.parse('2026-11-22T12:00:00Z');
const keyOf = (tenant: string, recipient: string, of = secret) => deriveKey(of, tenant, recipient, 'k1');

const bearers: fc.Arbitrary<Bearer> = fc
  .record(
    {
      sub: fc.string({ minLength: 1, unit: 'binary' }),
      email: fc.emailAddress(),
      groups: fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }),
      permissions: fc.array(fc.constantFrom('agents:read', 'tools:invoke'), { maxLength: 3 }),
      tier: fc.constantFrom('standard', 'premium'),
    },
    { requiredKeys: ['sub', 'groups', 'permissions', 'tier'] },
  )
  .map((bearer) => ({ ...bearer, tenant: 'acme' }));

const example: Bearer = { sub: 'ada', groups: ['ops'], permissions: ['agents:read'], tier: 'standard', tenant: 'acme' };
const here = { tenant: 'acme', recipient: 'scout' };
const make = (bearer: Bearer = example, recipient = 'scout', key = keyOf('acme', recipient)) =>
  makePassport(bearer, recipient, { jti: 'j', at }, key);
const verify = (text: string, audience = here, when = at, key = keyOf(audience.tenant, audience.recipient)) =>
  verifyPassport(text, audience, [key], when);

describe('a passport', () => {
  it('says to its recipient whom it speaks of', () => {
    fc.assert(
      fc.property(bearers, (bearer) => {
        expect(verify(make(bearer))).toEqual(bearer);
      }),
    );
  });

  it('is in force for 60 s', () => {
    const text = make();
    for (const after of [0, 59_999]) expect(verify(text, here, at + after)).toEqual(example);
    for (const after of [60_000, 61_000, 86_400_000, -31_000, -86_400_000]) expect(verify(text, here, at + after)).toBeUndefined();
    expect(verify(text, here, at - 29_000)).toEqual(example);
  });

  it('is nothing to another recipient, another tenant, or under another key', () => {
    const text = make();
    expect(verify(text, { tenant: 'acme', recipient: 'other' })).toBeUndefined();
    expect(verify(text, { tenant: 'globex', recipient: 'scout' })).toBeUndefined();
    // Not even to one that has the right key.
    expect(verify(text, { tenant: 'acme', recipient: 'other' }, at, keyOf('acme', 'scout'))).toBeUndefined();
    expect(verify(text, { tenant: 'globex', recipient: 'scout' }, at, keyOf('acme', 'scout'))).toBeUndefined();
    expect(verify(text, here, at, keyOf('acme', 'scout', Buffer.alloc(32, 8)))).toBeUndefined();
    expect(verifyPassport(text, here, [{ ...keyOf('acme', 'scout'), keyId: 'k2' }], at)).toBeUndefined();
    expect(verifyPassport(text, here, [], at)).toBeUndefined();
  });

  it('does not survive the change of any character, nor a cut, nor an addition', () => {
    const text = make();
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (place, character) => {
        fc.pre(text[place] !== character);
        expect(verify(text.slice(0, place) + character + text.slice(place + 1))).toBeUndefined();
        expect(verify(text.slice(0, place))).toBeUndefined();
        expect(verify(text.slice(0, place) + character + text.slice(place))).toBeUndefined();
      }),
    );
  });

  it('cannot be made of what a recipient of messages has seen, nor with another header', () => {
    const [head = '', body = ''] = make().split('.');
    const key = keyOf('acme', 'scout');
    // The key of messages itself signs no passport.
    const [, , signature = ''] = sign({ head, body }, key).split('.');
    expect(verify(`${head}.${body}.${signature}`)).toBeUndefined();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [, , tag = ''] = make().split('.');
    for (const header of [
      { alg: 'none' },
      { alg: 'HS256' },
      { alg: 'HS256', typ: 'at+jwt', kid: 'k1' },
      { alg: 'HS512', typ: 'x', kid: 'k1' },
    ])
      expect(verify(`${part(header)}.${body}.${tag}`)).toBeUndefined();
    expect(verify(`${part({ alg: 'none' })}.${body}.`)).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(verify(text)).toBeUndefined();
      }),
    );
  });
});
