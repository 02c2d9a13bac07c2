// Images of records: what the schema names and does not call secret, and nothing else.
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { image } from '../../../shared/ledger/redact.ts';

const secret = z.string().meta({ secret: true });
const Record = z.object({
  name: z.string(),
  count: z.number().optional(),
  token: secret,
  maybe: secret.optional(),
  nested: z.object({ password: secret, user: z.string() }),
  list: z.array(z.object({ key: secret, id: z.string() })),
  map: z.record(z.string(), secret),
  either: z.union([z.object({ kind: z.literal('a'), hidden: secret }), z.object({ kind: z.literal('b'), shown: z.string() })]),
  whole: z.object({ a: z.string() }).meta({ secret: true }),
  anything: z.unknown(),
  kind: z.enum(['x', 'y']).nullable(),
});

const value = {
  name: 'n',
  token: 'S1',
  maybe: 'S2',
  nested: { password: 'S3', user: 'u', extra: 'S4' },
  list: [{ key: 'S5', id: 'i', more: 'S6' }],
  map: { one: 'S7' },
  either: { kind: 'a' as const, hidden: 'S8', shown: 'S9' },
  whole: { a: 'S10' },
  anything: { deep: 'S11' },
  kind: 'x' as const,
  unknown: 'S12',
};

describe('an image', () => {
  it('replaces what is secret wherever it is, and leaves out what nobody described', () => {
    const shown = image(Record, value);
    expect(shown).toEqual({
      name: 'n',
      token: '[redacted]',
      maybe: '[redacted]',
      nested: { password: '[redacted]', user: 'u' },
      list: [{ key: '[redacted]', id: 'i' }],
      map: { one: '[redacted]' },
      either: { kind: 'a', hidden: '[redacted]' },
      whole: '[redacted]',
      kind: 'x',
    });
    expect(JSON.stringify(shown)).not.toMatch(/S\d/);
  });

  it('shows nothing of a value that is of another shape than its schema says', () => {
    const odd = { ...value, name: { inner: 'S13' }, nested: 'S14', list: 'S15' } as unknown as z.infer<typeof Record>;
    expect(JSON.stringify(image(Record, odd))).not.toMatch(/S\d/);
  });

  it('of a part is a part', () => {
    expect(image(Record.pick({ name: true }), value)).toEqual({ name: 'n' });
  });
});
