// API key texts: shape, checksum, and the refusal of whatever is one character off (architecture 3).
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeKey, readKey } from '../../../shared/identity/key-text.ts';
import { tenantIds } from '../arbitraries.ts';

const keys = tenantIds.map((tenantId) => makeKey(tenantId));

describe('the text of a key', () => {
  it('is fg_{tenantId}_{keyId}_{secret}{crc32}, with 260 random bits', () => {
    const { text, keyId } = makeKey('acme-eu');
    const [, body = '', secret = '', checksum] = /^(fg_acme-eu_[a-z2-7]{12}_([a-z2-7]{52}))([0-9a-f]{8})$/.exec(text) ?? [];
    expect(text).toContain(`_${keyId}_`);
    expect(checksum).toBe(crc32(body).toString(16).padStart(8, '0'));
    expect(secret.length * 5).toBe(260);
    expect(makeKey('acme-eu').text).not.toBe(text);
  });

  it('reads back as its tenant, its id, and a hash that is all we keep', () => {
    fc.assert(
      fc.property(keys, ({ text, ...kept }) => {
        expect(readKey(text)).toEqual(kept);
        expect(kept.sha256).toBe(createHash('sha256').update(text).digest('base64'));
      }),
    );
  });

  it('of the platform reads as the platform’s', () => {
    expect(readKey(makeKey('platform').text)?.tenantId).toBe('platform');
  });

  it('is refused with any one character changed, left out or added', () => {
    const characters = fc.oneof(
      fc.constantFrom(...'abcxyz234567089_-fgFG. \n'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    );
    fc.assert(
      fc.property(keys, fc.nat(), characters, fc.constantFrom('change', 'remove', 'add'), ({ text }, place, character, edit) => {
        const at = place % text.length;
        const changed = text.slice(0, at) + (edit === 'remove' ? '' : character) + text.slice(edit === 'add' ? at : at + 1);
        fc.pre(changed !== text);
        expect(readKey(changed)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused with two neighbours swapped', () => {
    fc.assert(
      fc.property(keys, fc.nat(), ({ text }, place) => {
        const at = place % (text.length - 1);
        const swapped = `${text.slice(0, at)}${text[at + 1]}${text[at]}${text.slice(at + 2)}`;
        fc.pre(swapped !== text);
        expect(readKey(swapped)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it.each(['', 'fg_', 'Bearer x', 'fg_acme_abc_def00000000'])('is not %j', (text) => expect(readKey(text)).toBeUndefined());
});
