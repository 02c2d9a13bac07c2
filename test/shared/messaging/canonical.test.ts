// The canonical form: RFC 8785's own examples, and the laws that make it one form for one value.
import { readFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical } from '../../../shared/messaging/canonical.ts';
import { jsonValues } from '../arbitraries.ts';

const vectors = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/rfc8785/${name}.json`, import.meta.url), 'utf8'));
const numbers: { bits: string; text: string | null }[] = vectors('numbers');
const { sample, sorting }: { sample: Record<'input' | 'text' | 'utf8', string>; sorting: { input: string; order: string[] } } =
  vectors('objects');

describe('RFC 8785', () => {
  it.each(numbers)('Appendix B: $bits is $text', ({ bits, text }) => {
    const value = Buffer.from(bits, 'hex').readDoubleBE();
    if (text === null) expect(() => canonical(value)).toThrow(TypeError);
    else expect(canonical(value)).toBe(text);
  });

  it('3.2.2: literals, numbers and texts', () => {
    expect(canonical(JSON.parse(sample.input))).toBe(sample.text);
  });

  it('3.2.3: members in the order of their UTF-16 code units', () => {
    const text = canonical(JSON.parse(sorting.input));
    expect([...text.matchAll(/:"([^"]+)"/g)].map(([, value]) => value)).toEqual(sorting.order);
  });

  it('3.2.4: in UTF-8', () => {
    expect(Buffer.from(canonical(JSON.parse(sample.input))).toString('hex')).toBe(sample.utf8);
  });
});

describe('the six pairs of the author of RFC 8785', () => {
  const pair = (side: string, name: string) =>
    readFileSync(new URL(`../../vectors/rfc8785/cyberphone/${side}/${name}.json`, import.meta.url), 'utf8');

  it.each(['arrays', 'french', 'structures', 'unicode', 'values', 'weird'])('%s', (name) => {
    expect(canonical(JSON.parse(pair('input', name)))).toBe(pair('output', name));
  });
});

describe('the canonical form', () => {
  it('is that of another implementation', () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        expect(canonical(value)).toBe(canonicalize(value));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is that of another implementation for many members, long texts and numbers of all sizes', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ minLength: 90, maxLength: 120 }),
      fc.constantFrom('"', '\\', '\x7f', '\u2028'),
    );
    const values = fc.oneof(texts, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean(), fc.constant(null));
    fc.assert(
      fc.property(fc.dictionary(texts, fc.array(values, { maxLength: 5 }), { maxKeys: 40 }), (value) => {
        expect(canonical(value)).toBe(canonicalize(value));
      }),
      { numRuns: 500 },
    );
  });

  it('means the same value', () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        expect(JSON.parse(canonical(value))).toEqual(value);
      }),
    );
  });

  it('is the same whatever the order of members', () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([name, member]) => [name, turned(member)]),
      );
    };
    fc.assert(
      fc.property(jsonValues, (value) => {
        expect(canonical(turned(value))).toBe(canonical(value));
      }),
    );
  });

  it('leaves out what is undefined, as JSON does', () => {
    expect(canonical({ b: 1, a: undefined, c: { d: undefined } })).toBe('{"b":1,"c":{}}');
  });

  it.each([
    ['undefined', undefined],
    ['a hole in a list', [undefined]],
    ['NaN', [Number.NaN]],
    ['infinity', { a: Number.NEGATIVE_INFINITY }],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['an object of a class', { at: new Date(0) }],
    ['bytes', [Buffer.from('a')]],
    ['a lone surrogate', ['\ud800']],
    ['a lone surrogate in a name', { '\udfff': 1 }],
  ])('is none for %s', (_, value) => {
    expect(() => canonical(value)).toThrow(TypeError);
  });
});
