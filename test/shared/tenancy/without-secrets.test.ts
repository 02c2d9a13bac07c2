// What a tenant carries away of a document: all of it but what is marked.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { withoutSecrets } from '../../../shared/tenancy/without-secrets.ts';

const secret = z.string().meta({ secret: true });

describe('withoutSecrets', () => {
  test.for([
    ['a field', z.object({ a: z.string(), s: secret }), { a: '1', s: 'x' }, { a: '1' }],
    ['an optional field', z.object({ s: secret.optional() }), { s: 'x' }, {}],
    ['a field marked around its wrapper', z.object({ s: z.string().optional().meta({ secret: true }) }), { s: 'x' }, {}],
    ['inside a list', z.object({ l: z.array(z.object({ s: secret, a: z.int() })) }), { l: [{ s: 'x', a: 1 }] }, { l: [{ a: 1 }] }],
    ['inside a record', z.record(z.string(), z.object({ s: secret })), { k: { s: 'x' } }, { k: {} }],
    ['a record of secrets', z.object({ r: z.record(z.string(), secret) }), { r: { k: 'x' } }, { r: {} }],
    ['inside either form', z.union([z.object({ s: secret }), z.object({ t: secret })]), { s: 'x', t: 'x' }, {}],
    ['behind a default', z.object({ d: z.object({ s: secret }).default({ s: '' }) }), { d: { s: 'x' } }, { d: {} }],
  ] as const)('leaves out %s', ([, schema, value, expected]) => {
    expect(withoutSecrets(schema, value)).toEqual(expected);
  });

  test('keeps everything else, whatever it is', () => {
    const schema = z.object({ s: secret, rest: z.record(z.string(), z.unknown()), list: z.array(z.unknown()) });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()), (rest, list) => {
        expect(withoutSecrets(schema, { s: 'x', rest, list })).toEqual({ rest: { ...rest }, list });
      }),
    );
  });
});
