// The bearer of a message: what the control plane wrote for this very message is read back, and nothing else is.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bearerProperty, readBearer, writeBearer } from '../../../shared/messaging/bearer.ts';
import { deriveKey } from '../../../shared/messaging/signature.ts';

const key = deriveKey(Buffer.alloc(32, 7), 'acme', 'scout', 'k1');
const bearers = fc
  .record(
    {
      sub: fc.string({ minLength: 1, unit: 'grapheme' }),
      email: fc.emailAddress(),
      groups: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }),
      permissions: fc.array(fc.constantFrom('agents:read', 'tools:invoke'), { maxLength: 3 }),
      tier: fc.constantFrom('standard', 'premium'),
    },
    { requiredKeys: ['sub', 'groups', 'permissions', 'tier'] },
  )
  .map((bearer) => ({ ...bearer, tenant: 'acme' }));
const example = { sub: 'ada', groups: ['ops'], permissions: ['agents:read'], tier: 'standard', tenant: 'acme' };
const message = { messageId: 'm-1', tenantId: 'acme' };
const written = writeBearer(example, 'm-1', key)[bearerProperty] ?? '';

describe('a bearer', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(bearers, fc.uuid(), (bearer, messageId) => {
        const property = writeBearer(bearer, messageId, key)[bearerProperty];
        expect(readBearer(property, { messageId, tenantId: 'acme' }, [key])).toEqual(bearer);
      }),
    );
  });

  it('is nothing beside another message, for another tenant or recipient, or under a key that is not in force', () => {
    expect(readBearer(written, { ...message, messageId: 'm-2' }, [key])).toBeUndefined();
    expect(readBearer(written, { ...message, tenantId: 'globex' }, [key])).toBeUndefined();
    expect(readBearer(written, message, [deriveKey(Buffer.alloc(32, 7), 'acme', 'other', 'k1')])).toBeUndefined();
    expect(readBearer(written, message, [{ ...key, keyId: 'k2' }])).toBeUndefined();
    expect(readBearer(written, message, [])).toBeUndefined();
  });

  it('does not survive a change, and is never read out of anything else', () => {
    fc.assert(
      fc.property(fc.nat(written.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (place, character) => {
        fc.pre(written[place] !== character);
        expect(readBearer(written.slice(0, place) + character + written.slice(place + 1), message, [key])).toBeUndefined();
      }),
    );
    const more = JSON.stringify({ ...JSON.parse(written), bearer: { ...example, permissions: ['tenant:write'] } });
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.json(), fc.constant(more)), (property) => {
        expect(readBearer(property, message, [key])).toBeUndefined();
      }),
    );
  });

  it('is left out when it is beyond measure', () => {
    const groups = Array.from({ length: 200 }, (_, at) => `${at}-${'x'.repeat(190)}`);
    expect(writeBearer({ ...example, groups }, 'm-1', key)).toEqual({});
  });
});
