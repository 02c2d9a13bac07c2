// What may be called: the rules for a URL as it is written, and for the addresses its name turns out to have. A name is resolved by us, every
// address it has is looked at, and the connection goes to what was looked at: a second answer of the name server finds nobody asking.
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopback, isPublic } from './addresses.ts';

/** Ports where something else than HTTP listens and could be made to misread a request: the "bad ports" of the Fetch standard (2.9). */
const otherPorts = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117,
  119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636,
  989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

/** Resolves a name to all its addresses; the system's unless a test says otherwise. */
export type Resolve = (name: string, options: { all: true }, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/** The error of a connection that was not opened because of where it would have led. */
export class BlockedAddress extends Error {
  override readonly name = 'BlockedAddress';
}

/**
 * Whether a request may be sent to this URL, as far as can be told from the URL: https, no credentials in it, no port of another protocol,
 * no address that is not public. With `loopback`, loopback addresses too, over http as well. Odd spellings of an address (`0x7f.1`, `2130706433`,
 * full-width digits) are what the URL parser has made of them.
 */
export function mayCall(url: URL, loopback: boolean): boolean {
  if (url.username !== '' || url.password !== '' || otherPorts.has(Number(url.port))) return false;
  const address = url.hostname.replace(/^\[|\]$/g, '');
  if (url.hostname === 'localhost' || isLoopback(address)) return loopback && /^https?:$/.test(url.protocol);
  return url.protocol === 'https:' && (isIP(address) === 0 || isPublic(address));
}

/** A `lookup` for a connection: fails with BlockedAddress when any address of the name is not one that may be called. */
export function guardedLookup(loopback: boolean, resolve: Resolve = systemLookup): LookupFunction {
  return (name, options, done) => {
    resolve(name, { all: true }, (error, addresses) => {
      const allowed = loopback && name === 'localhost' ? isLoopback : isPublic;
      const [first] = addresses ?? [];
      if (error) done(error, '');
      else if (!first || !addresses.every(({ address }) => allowed(address))) done(new BlockedAddress(), '');
      else if (options.all === true) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
}
