// Verification of envelopes: every refusal in its order, and no change to a signed envelope that goes unseen (architecture 6).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical } from '../../../shared/messaging/canonical.ts';
import { type Envelope, type Expectation, maxAgeMs, verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import { deriveKey, sign } from '../../../shared/messaging/signature.ts';
import { agentIds, jsonValues } from '../arbitraries.ts';

const secret = Buffer.alloc(32, 3);
const keyOf = (tenantId: string, recipient: string, keyId = 'k1') => deriveKey(secret, tenantId, recipient, keyId);
const now = Date.parse('2026-11-22T12:00:00.000Z');
const expected: Expectation = { tenantId: 'acme', recipient: 'agent-b', keys: [keyOf('acme', 'agent-b')], now };

const unsigned: Omit<Envelope, 'signature'> = {
  messageId: '0b7e6a52-9d4b-4b0e-8f7a-0d6f5b8f6c11',
  tenantId: 'acme',
  agentId: 'agent-a',
  to: 'agent-b',
  messageType: 'knowledge.search',
  payload: { query: 'How?', depth: 2 },
  timestamp: '2026-11-22T11:59:00.000Z',
};
const signed = (envelope: object = unsigned, key = keyOf('acme', 'agent-b')) => ({ ...envelope, signature: sign(envelope, key) });
const refusal = (received: unknown, expectation = expected) => {
  const verified = verifyEnvelope(received, expectation);
  return 'refused' in verified ? verified.refused : 'accepted';
};

describe('an envelope', () => {
  it('is answered as it came when everything holds', () => {
    const full = signed({ ...unsigned, correlationId: 'c', causationId: 'd', expiresAt: '2026-11-22T12:00:00.001Z' });
    expect(verifyEnvelope(full, expected)).toEqual({ envelope: full });
  });

  it('is refused for the first thing that is wrong, in the order of architecture 6', () => {
    // Everything is wrong with it; then one thing after another is put right.
    const old = { timestamp: '2026-11-20T12:00:00.000Z' };
    const fresh = { ...unsigned, tenantId: 'acme', to: 'agent-b' };
    const stale = { ...fresh, ...old };
    const elsewhere = { ...stale, tenantId: 'globex', to: 'agent-c' };
    expect(refusal({ ...elsewhere, payload: 'x'.repeat(250_000), surplus: true })).toBe('too_large');
    expect(refusal({ ...elsewhere, surplus: true })).toBe('envelope_invalid');
    expect(refusal(elsewhere)).toBe('tenant_mismatch');
    expect(refusal({ ...elsewhere, tenantId: 'acme' })).toBe('recipient_mismatch');
    expect(refusal(stale)).toBe('signature_missing');
    expect(refusal({ ...stale, signature: 'v1.k9.short' })).toBe('signature_invalid');
    expect(refusal({ ...stale, signature: `v1.k9.${'A'.repeat(43)}` })).toBe('key_unknown');
    expect(refusal({ ...stale, signature: `v1.k1.${'A'.repeat(43)}` })).toBe('signature_invalid');
    expect(refusal(signed(stale))).toBe('expired');
    expect(refusal(signed(fresh))).toBe('accepted');
  });

  const misshapen: [what: string, received: unknown][] = [
    ['no object', 'text'],
    ['nothing', undefined],
    ['null', null],
    ['a list', [signed()]],
    ...Object.keys(unsigned).map((name): [string, unknown] => [`no ${name}`, { ...signed(), [name]: undefined }]),
    ['an empty id', signed({ ...unsigned, messageId: '' })],
    ['a time that is none', signed({ ...unsigned, timestamp: 'yesterday' })],
    ['a time with an offset', signed({ ...unsigned, timestamp: '2026-11-22T13:59:00.000+02:00' })],
    ['an unknown member', signed({ ...unsigned, priority: 1 })],
    ['a member of every object', signed({ ...unsigned, constructor: 1 })],
    ['an own __proto__', JSON.parse(JSON.stringify(signed()).replace('{', '{"__proto__":{"a":1},'))],
    ['a lone surrogate', { ...signed(), payload: '\ud800' }],
    ['nesting without end', { ...signed(), payload: JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) }],
  ];
  it.each(misshapen)('with %s is invalid, and does not throw', (_, received) => {
    expect(refusal(received)).toBe('envelope_invalid');
  });

  it('hides nothing in its payload', () => {
    const text = JSON.stringify(signed());
    expect(refusal(JSON.parse(text.replace('{"query"', '{"__proto__":{"admin":true},"query"')))).toBe('signature_invalid');
  });

  it('with an object of a class in it is invalid, though it would say the same', () => {
    const { signature } = signed({ ...unsigned, payload: {} });
    expect(refusal({ ...unsigned, payload: {}, signature })).toBe('accepted');
    expect(refusal({ ...unsigned, payload: new Map(), signature })).toBe('envelope_invalid');
  });

  it('is too large whatever else is wrong with it', () => {
    const large = 'x'.repeat(250_000);
    for (const received of [large, [large], { a: large }, { ...signed(), signature: [large] }, { ...signed(), payload: ['\ud800', large] }])
      expect(refusal(received)).toBe('too_large');
  });

  it('is measured as its JSON is', () => {
    const members = fc.oneof(jsonValues, fc.constant(undefined));
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), members), members, (other, signature) => {
        const received = { messageId: 'm', filling: 'x'.repeat(249_000), ...other, signature };
        const room = 250_000 - Buffer.byteLength(JSON.stringify(received));
        fc.pre(room >= 0);
        const filled = (length: number) => ({ ...received, filling: received.filling + 'x'.repeat(length) });
        fc.pre(!('filling' in other));
        expect(refusal(filled(room))).toBe('envelope_invalid');
        expect(refusal(filled(room + 1))).toBe('too_large');
      }),
      { numRuns: 50 },
    );
  });

  it('is too large above 250,000 bytes of UTF-8', () => {
    const room = 250_000 - Buffer.byteLength(JSON.stringify(signed({ ...unsigned, payload: '' })));
    expect(refusal(signed({ ...unsigned, payload: 'x'.repeat(room) }))).toBe('accepted');
    expect(refusal(signed({ ...unsigned, payload: 'x'.repeat(room + 1) }))).toBe('too_large');
    expect(refusal(signed({ ...unsigned, payload: 'é'.repeat(room / 2 + 1) }))).toBe('too_large');
  });

  it.each([
    [-maxAgeMs, 'accepted'],
    [-maxAgeMs - 1, 'expired'],
    [5 * 60_000, 'accepted'],
    [5 * 60_000 + 1, 'expired'],
  ])('sent %d ms from now is %s', (offset, verdict) => {
    expect(refusal(signed({ ...unsigned, timestamp: new Date(now + offset).toISOString() }))).toBe(verdict);
  });

  it('has expired at the very moment it says', () => {
    expect(refusal(signed({ ...unsigned, expiresAt: new Date(now).toISOString() }))).toBe('expired');
    expect(refusal(signed({ ...unsigned, expiresAt: new Date(now + 1).toISOString() }))).toBe('accepted');
  });

  it('is verified under either of two keys while they overlap', () => {
    const keys = [keyOf('acme', 'agent-b', 'k1'), keyOf('acme', 'agent-b', 'k2')];
    for (const key of keys) expect(refusal(signed(unsigned, key), { ...expected, keys })).toBe('accepted');
    expect(refusal(signed(unsigned, keyOf('acme', 'agent-b', 'k2')))).toBe('key_unknown');
    expect(refusal(signed(), { ...expected, keys: [] })).toBe('key_unknown');
  });
});

describe('a key', () => {
  it("of another recipient or tenant, or one's own as a sender, signs nothing", () => {
    for (const key of [keyOf('acme', 'agent-a'), keyOf('acme', 'agent-c'), keyOf('acme', 'orchestrator'), keyOf('globex', 'agent-b')])
      expect(refusal(signed(unsigned, key))).toBe('signature_invalid');
  });

  it('of one key id does not pass as another', () => {
    const { key } = keyOf('acme', 'agent-b', 'k2');
    expect(refusal(signed(unsigned, { keyId: 'k1', key }))).toBe('signature_invalid');
  });
});

const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
const instants = fc.integer({ min: now - 3_600_000, max: now }).map((ms) => new Date(ms).toISOString());
const envelopes = fc
  .record(
    {
      messageId: texts,
      tenantId: fc.constant('acme'),
      agentId: agentIds,
      to: fc.constant('agent-b'),
      messageType: texts,
      payload: jsonValues,
      timestamp: instants,
      correlationId: texts,
      causationId: texts,
      expiresAt: fc.constant('2026-11-23T00:00:00.000Z'),
    },
    { requiredKeys: ['messageId', 'tenantId', 'agentId', 'to', 'messageType', 'payload', 'timestamp'] },
  )
  .map((envelope) => signed(envelope));

describe('any envelope', () => {
  it('that was signed is accepted', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        expect(refusal(JSON.parse(JSON.stringify(envelope)))).toBe('accepted');
      }),
    );
  });

  it('is refused after a change to any member', () => {
    const names = [...Object.keys(unsigned), 'correlationId', 'causationId', 'expiresAt', 'signature', 'surplus'];
    const values = fc.oneof(jsonValues, texts, instants, agentIds, fc.constantFrom(undefined, '', 'acme', 'agent-b', {}, []));
    fc.assert(
      fc.property(envelopes, fc.constantFrom(...names), values, (envelope, name, value) => {
        const changed = { ...envelope, [name]: value };
        fc.pre(canonical(changed) !== canonical(envelope));
        expect(refusal(changed)).not.toBe('accepted');
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused after a change to any character of its JSON that changes what it says', () => {
    const characters = fc.oneof(
      fc.constantFrom(...'"\\{}[]:,0123456789-.eEtrufalsn \u0000\u00e9'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    );
    const edits = fc.constantFrom('replace', 'insert', 'remove');
    fc.assert(
      fc.property(envelopes, fc.nat(), characters, edits, (envelope, place, character, edit) => {
        const text = JSON.stringify(envelope);
        const at = place % text.length;
        const changed = text.slice(0, at) + (edit === 'remove' ? '' : character) + text.slice(edit === 'insert' ? at : at + 1);
        const received = parsed(changed);
        // Not JSON any more: no receiver ever sees it. Or JSON of the same meaning.
        fc.pre(received !== undefined && !means(received, envelope));
        expect(refusal(received)).not.toBe('accepted');
      }),
      { numRuns: 2_000, maxSkipsPerRun: 50 },
    );
  });
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function means(received: unknown, envelope: object): boolean {
  try {
    return canonical(received) === canonical(envelope);
  } catch {
    return false;
  }
}
