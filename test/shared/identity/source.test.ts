// Sources: one IPv4 address, or the /64 of an IPv6 address, however it is spelt.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nowhere, sourceOf } from '../../../shared/identity/source.ts';

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4', '2001:db8:0:0::/64'],
  ['2001:db8:0:0::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', nowhere],
  ['not an address', 'not an address'],
])('%s counts as %s', (ip, source) => expect(sourceOf(ip)).toBe(source));

it('of nobody knows whom is one for all', () => expect(sourceOf(undefined)).toBe(nowhere));

it('takes any text', () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...':.[]%0123456789abcf'), maxLength: 64 }), (ip) => sourceOf(ip).length < 80));
});
