// The strict compact form: one text per token, and nothing two readers could read differently.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactLimit, readClaims, readCompact } from '../../../shared/identity/compact.ts';

const encode = (text: string): string => Buffer.from(text).toString('base64url');
const token = (header: string, payload = '{"sub":"a"}', signature = 'c2ln'): string => `${encode(header)}.${encode(payload)}.${signature}`;

describe('the compact form', () => {
  it('gives back what was put in', () => {
    const members = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(members, members, (header, claims) => {
        delete header['crit'];
        const read = readCompact(token(JSON.stringify({ ...header, alg: 'ES256' }), JSON.stringify(claims)));
        expect(read?.header.alg).toBe('ES256');
        expect(read && readClaims(read)).toEqual(JSON.parse(JSON.stringify(claims)));
      }),
    );
  });

  it('has one text per token: no character can be added, dropped or changed without changing what is read', () => {
    const text = token('{"alg":"ES256"}');
    const read = readCompact(text);
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(1), fc.string({ maxLength: 2, unit: 'binary-ascii' }), (at, drop, more) => {
        const other = text.slice(0, at) + more + text.slice(at + drop);
        fc.pre(other !== text);
        expect(readCompact(other)).not.toEqual(read);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['two parts', 'e30.e30'],
    ['four parts', `${token('{"alg":"ES256"}')}.e30`],
    ['five parts, a JWE', 'e30.e30.e30.e30.e30'],
    ['no signature', `${encode('{"alg":"none"}')}.e30.`],
    ['padding', `${encode('{"alg":"ES256"}')}.e30=.c2ln`],
    ['the other alphabet', `${encode('{"alg":"ES256"}')}.e30.c+/n`],
    ['a space', ` ${token('{"alg":"ES256"}')}`],
    ['a line feed at the end', `${token('{"alg":"ES256"}')}\n`],
    ['stray trailing bits', `${encode('{"alg":"ES256"}')}.e31.c2ln`],
    ['a length no encoding has', `${encode('{"alg":"ES256"}')}.e30.c2lnA`],
    ['a header that is no JSON', token('alg')],
    ['a header that is a list', token('["alg"]')],
    ['a header with a byte order mark', token('\ufeff{"alg":"ES256"}')],
    ['no alg', token('{}')],
    ['an alg that is no text', token('{"alg":["ES256"]}')],
    ['alg twice', token('{"alg":"ES256","alg":"none"}')],
    ['alg twice, once in disguise', token('{"alg":"ES256","\\u0061lg":"none"}')],
    ['crit', token('{"alg":"ES256","crit":["b64"],"b64":false}')],
    ['an empty crit', token('{"alg":"ES256","crit":[]}')],
    ['a header that is no UTF-8', `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.e30.c2ln`],
    ['too much', token('{"alg":"ES256"}', `{"a":"${'a'.repeat(compactLimit)}"}`)],
  ])('is not %s', (_, text) => expect(readCompact(text)).toBeUndefined());

  it.each([
    ['a member twice', '{"sub":"a","sub":"b"}'],
    ['a member twice inside', '{"a":{"b":1,"b":1}}'],
    ['a member twice in a list', '{"a":[{"b":1},{"c":1,"c":2}]}'],
    ['a member twice after a text with braces', '{"a":"}{\\"a\\":1","a":1}'],
    ['a list', '[]'],
    ['a text', '"a"'],
    ['nothing', ''],
  ])('reads no claims from %s', (_, payload) => {
    const read = readCompact(token('{"alg":"ES256"}', payload));
    expect(read).toBeDefined();
    expect(read && readClaims(read)).toBeUndefined();
  });

  it.each(['{"a":{"a":{"a":1}},"b":["a","a"]}', '{"a":"b","b":"a","c":"\\"a\\":1"}'])('knows that %s repeats nothing', (payload) => {
    const read = readCompact(token('{"alg":"ES256"}', payload));
    expect(read && readClaims(read)).toEqual(JSON.parse(payload));
  });
});
