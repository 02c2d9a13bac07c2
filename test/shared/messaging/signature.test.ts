// Signatures: the published vectors hold for the primitives, and ours are those primitives over what architecture 6 says.
import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical } from '../../../shared/messaging/canonical.ts';
import { deriveKey, isSignedBy, sign, signedUnder } from '../../../shared/messaging/signature.ts';
import { agentIds, jsonValues, tenantIds } from '../arbitraries.ts';

const hmac = (key: Buffer, data: string | Buffer) => createHmac('sha256', key).update(data).digest();

/** RFC 5869 section 2, on HMAC alone. */
function hkdf(secret: Buffer, salt: Buffer, info: Buffer, length: number): Buffer {
  const prk = hmac(salt.length > 0 ? salt : Buffer.alloc(32), secret);
  let [out, block] = [Buffer.alloc(0), Buffer.alloc(0)];
  for (let count = 1; out.length < length; count++) {
    block = Buffer.from(hmac(prk, Buffer.concat([block, info, Buffer.of(count)])));
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, length);
}

const run = (from: number, to: number) => Buffer.from(Array.from({ length: to - from + 1 }, (_, at) => from + at));

describe('HMAC-SHA-256, RFC 4231', () => {
  const long = Buffer.alloc(131, 0xaa);
  it.each([
    ['4.2', Buffer.alloc(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    ['4.3', Buffer.from('Jefe'), 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    ['4.4', Buffer.alloc(20, 0xaa), Buffer.alloc(50, 0xdd), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    ['4.5', run(1, 25), Buffer.alloc(50, 0xcd), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
    ['4.6, 128 bits', Buffer.alloc(20, 0x0c), 'Test With Truncation', 'a3b6167473100ee06e0c796c2955552b'],
    [
      '4.7',
      long,
      'Test Using Larger Than Block-Size Key - Hash Key First',
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      '4.8',
      long,
      'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ])('%s', (_, key, data, wanted) => {
    expect(
      hmac(key, data)
        .subarray(0, wanted.length / 2)
        .toString('hex'),
    ).toBe(wanted);
  });
});

describe('HKDF-SHA-256, RFC 5869', () => {
  it.each([
    [
      'A.1',
      { secret: Buffer.alloc(22, 0x0b), salt: run(0x00, 0x0c), info: run(0xf0, 0xf9) },
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    ],
    [
      'A.2',
      { secret: run(0x00, 0x4f), salt: run(0x60, 0xaf), info: run(0xb0, 0xff) },
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    ],
    [
      'A.3, without salt and info',
      { secret: Buffer.alloc(22, 0x0b), salt: Buffer.alloc(0), info: Buffer.alloc(0) },
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    ],
  ])('%s', (_, { secret, salt, info }, wanted) => {
    const length = wanted.length / 2;
    expect(Buffer.from(hkdfSync('sha256', secret, salt, info, length)).toString('hex')).toBe(wanted);
    expect(hkdf(secret, salt, info, length).toString('hex')).toBe(wanted);
  });
});

const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

describe('a recipient’s key', () => {
  it('is HKDF without salt, bound to tenant, recipient and key id', () => {
    fc.assert(
      fc.property(secrets, tenantIds, agentIds, (secret, tenantId, recipient) => {
        const info = Buffer.from(`flowgrid/v1|${tenantId}|${recipient}|k1`);
        expect(deriveKey(secret, tenantId, recipient, 'k1')).toEqual({ keyId: 'k1', key: hkdf(secret, Buffer.alloc(0), info, 32) });
      }),
    );
  });

  it('is another for another secret, tenant, recipient or key id', () => {
    const secret = Buffer.alloc(32, 1);
    const keys = [
      deriveKey(secret, 'acme', 'agent-a', 'k1'),
      deriveKey(Buffer.alloc(32, 2), 'acme', 'agent-a', 'k1'),
      deriveKey(secret, 'acme-eu', 'agent-a', 'k1'),
      deriveKey(secret, 'acme', 'agent-b', 'k1'),
      deriveKey(secret, 'acme', 'agent-a', 'k2'),
    ];
    expect(new Set(keys.map(({ key }) => key.toString('hex'))).size).toBe(keys.length);
  });
});

describe('a signature', () => {
  const key = deriveKey(Buffer.alloc(32, 7), 'acme', 'agent-a', 'k1');

  it('is HMAC over the canonical form, and names its key', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), jsonValues), (unsigned) => {
        const signature = sign(unsigned, key);
        expect(signature).toBe(`v1.k1.${hmac(key.key, canonical(unsigned)).toString('base64url')}`);
        expect(signedUnder(signature)).toBe('k1');
        expect(isSignedBy(unsigned, signature, key)).toBe(true);
      }),
    );
  });

  it('is one text and no other: no character of it can be changed, cut or added', () => {
    const unsigned = { a: 1 };
    const signature = sign(unsigned, key);
    const characters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ \n'];
    for (let at = 0; at <= signature.length; at++) {
      for (const character of characters) {
        const changed = signature.slice(0, at) + character + signature.slice(at + 1);
        const added = signature.slice(0, at) + character + signature.slice(at);
        if (changed !== signature) expect(isSignedBy(unsigned, changed, key), changed).toBe(false);
        expect(isSignedBy(unsigned, added, key), added).toBe(false);
      }
      if (at < signature.length) expect(isSignedBy(unsigned, signature.slice(0, at) + signature.slice(at + 1), key)).toBe(false);
    }
  });

  const bytes = 'A'.repeat(43);
  it.each([
    '',
    'v1',
    'v1.k1.',
    `v2.k1.${bytes}`,
    `v1..${bytes}`,
    `v1.K1.${bytes}`,
    `v1.k1.${bytes}A`,
    `v1.k1.${bytes.slice(1)}`,
    `v1.${'k'.repeat(17)}.${bytes}`,
    `v1.k1.${bytes}\n`,
  ])('of another form names no key: %j', (text) => {
    expect(signedUnder(text)).toBeUndefined();
  });
});
