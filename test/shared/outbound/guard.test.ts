// What the address guard lets through, by URL and by address. The networks are written again here, as arithmetic, from IANA's registries.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopback, isPublic } from '../../../shared/outbound/addresses.ts';
import { BlockedAddress, guardedLookup, mayCall, type Resolve } from '../../../shared/outbound/guard.ts';

const octet = fc.nat(255);
const ipv4 = fc.tuple(octet, octet, octet, octet);
const dotted = (parts: readonly number[]): string => parts.join('.');
const hex = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(':');

function isInward([a = 0, b = 0, c = 0, d = 0]: readonly number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return true;
  if (a === 100) return b >= 64 && b <= 127;
  if (a === 169) return b === 254;
  if (a === 172) return b >= 16 && b <= 31;
  if (a === 192) return b === 168 || (b === 0 && (c === 0 || c === 2)) || (b === 88 && c === 99);
  if (a === 198) return b === 18 || b === 19 || (b === 51 && c === 100);
  if (a === 203) return b === 0 && c === 113;
  return a === 168 && b === 63 && c === 129 && d === 16;
}

/** First and last address of every network, and its neighbours. */
const edges: readonly (readonly [outside: string, first: string, last: string, outside: string])[] = [
  ['9.255.255.255', '10.0.0.0', '10.255.255.255', '11.0.0.0'],
  ['100.63.255.255', '100.64.0.0', '100.127.255.255', '100.128.0.0'],
  ['126.255.255.255', '127.0.0.0', '127.255.255.255', '128.0.0.0'],
  ['168.63.129.15', '168.63.129.16', '168.63.129.16', '168.63.129.17'],
  ['169.253.255.255', '169.254.0.0', '169.254.255.255', '169.255.0.0'],
  ['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'],
  ['191.255.255.255', '192.0.0.0', '192.0.0.255', '192.0.1.0'],
  ['192.0.1.255', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
  ['192.88.98.255', '192.88.99.0', '192.88.99.255', '192.88.100.0'],
  ['192.167.255.255', '192.168.0.0', '192.168.255.255', '192.169.0.0'],
  ['198.17.255.255', '198.18.0.0', '198.19.255.255', '198.20.0.0'],
  ['198.51.99.255', '198.51.100.0', '198.51.100.255', '198.51.101.0'],
  ['203.0.112.255', '203.0.113.0', '203.0.113.255', '203.0.114.0'],
];

describe('an address is public', () => {
  it.each(edges)('outside of a network only: %s | %s … %s | %s', (before, first, last, after) => {
    expect([before, first, last, after].map(isPublic)).toEqual([true, false, false, true]);
  });

  it('or not, as the registry says of IPv4', () => {
    fc.assert(
      fc.property(ipv4, (parts) => {
        expect(isPublic(dotted(parts))).toBe(!isInward(parts));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never when it holds an IPv4 address, whichever', () => {
    fc.assert(
      fc.property(ipv4, (parts) => {
        const [a, b] = [parts.slice(0, 2), parts.slice(2)].map(([high = 0, low = 0]) => high * 256 + low);
        const tail = hex([a ?? 0, b ?? 0]);
        for (const address of [
          `::ffff:${dotted(parts)}`, // mapped
          `::ffff:${tail}`,
          `::${tail}`, // compatible
          `::ffff:0:${tail}`, // translated (SIIT)
          `64:ff9b::${tail}`, // NAT64
          `64:ff9b:1::${tail}`,
          `2002:${tail}::1`, // 6to4
          `2001:0:${tail}::1`, // Teredo's server
          `2001::${tail}`, // Teredo's client
        ])
          expect(isPublic(address), address).toBe(false);
      }),
    );
  });

  it.each([
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fec0::1',
    'fc00::1',
    'fd00:ec2::254',
    'fdff:ffff::1',
    'ff02::1',
    'ff0e::1',
    '100::1',
    '2001::1',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:1ff:ffff::1',
    '2001:db8::1',
    '2001:db8:ffff::1',
    '3fff::1',
    '3fff:fff::1',
    '1fff::1',
    '4000::1',
    '5f00::1',
    '2606:4700::1%1',
    'localhost',
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
  ])('is not %s', (address) => expect(isPublic(address)).toBe(false));

  it.each(['1.1.1.1', '8.8.8.8', '20.42.0.1', '2001:200::1', '2001:4860:4860::8888', '2606:4700:4700::1111', '2a01:111::1', '3ffe::1'])(
    'is %s',
    (address) => expect(isPublic(address)).toBe(true),
  );

  it('is never loopback', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(isPublic(address) && isLoopback(address)).toBe(false);
      }),
    );
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1']) expect(isLoopback(address)).toBe(true);
    for (const address of ['128.0.0.1', '::2', '::ffff:127.0.0.1', 'localhost']) expect(isLoopback(address)).toBe(false);
  });
});

describe('a URL may be called', () => {
  it.each([
    'https://example.com',
    'https://example.com:8443/a?b#c',
    'https://1.1.1.1',
    'https://[2606:4700:4700::1111]:444/',
    'https://bücher.example',
    'https://a.b.c.d.example.',
    'HTTPS://EXAMPLE.COM:443',
  ])('%s', (text) => expect(mayCall(new URL(text), false)).toBe(true));

  const never = [
    'http://example.com',
    'ftp://example.com',
    'file:///etc/passwd',
    'data:application/json,{}',
    'ws://example.com',
    'javascript:1',
    'https://user@example.com',
    'https://user:secret@example.com',
    'https://:secret@example.com',
    'https://example.com:22',
    'https://example.com:25',
    'https://example.com:6667',
    'https://10.0.0.1',
    'https://169.254.169.254/metadata/instance',
    'https://168.63.129.16',
    'https://0.0.0.0',
    'https://[::]',
    'https://[fe80::1]',
    'https://[fd00::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[::ffff:7f00:1]',
    'https://[64:ff9b::7f00:1]',
    'https://[2002:7f00:1::]',
    'https://[2001:db8::1]',
    'https://255.255.255.255',
    'https://224.0.0.1',
    'https://0xa.1',
    'https://0xa9fea9fe',
    'https://2852039166',
    'https://0251.0376.0251.0376',
    'https://169.254.43518',
    'https://10.1',
    'https://１０.０.０.１',
    'https://①⓪.0.0.1',
    'https://10。0。0。1',
    'https://10.0.0.1.',
    'http://8.8.8.8',
  ];
  it.each(never)('not %s', (text) => {
    expect(mayCall(new URL(text), false)).toBe(false);
    expect(mayCall(new URL(text), true)).toBe(false);
  });

  it.each([
    'http://localhost:7071',
    'https://localhost',
    'http://127.0.0.1:80',
    'http://127.8.8.8',
    'http://[::1]:9',
    'http://0x7f.1',
    'http://2130706433',
    'http://0177.0.0.1',
    'https://127.1',
    'http://LOCALHOST',
    'http://１２７.０.０.１',
  ])('%s on a laptop, and there only', (text) => {
    const url = new URL(text);
    expect([mayCall(url, true), mayCall(url, false)]).toEqual([url.port !== '9', false]);
  });

  it('not, whatever is put before the @', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9.:]{1,20}$/), (user) => {
        const text = `https://${user}@example.com/`;
        fc.pre(URL.canParse(text) && user !== ':');
        expect(mayCall(new URL(text), true)).toBe(false);
      }),
    );
  });
});

describe('a name leads', () => {
  const answers =
    (addresses: readonly string[]): Resolve =>
    (_name, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
  const look = (name: string, addresses: readonly string[], loopback = false) =>
    new Promise((resolve) => guardedLookup(loopback, answers(addresses))(name, { all: true }, (error, found) => resolve(error ?? found)));

  it('to the very addresses that were looked at', async () => {
    expect(await look('a.example', ['1.1.1.1', '2606:4700::1'])).toEqual([
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
  });

  it('nowhere when any of its addresses is not public, wherever it stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3),
        fc.constantFrom('10.0.0.1', '127.0.0.1', '::1', 'fd00::1', '169.254.169.254', '::ffff:1.1.1.1'),
        async (at, bad) => {
          const addresses = ['1.1.1.1', '8.8.8.8', '2606:4700::1'].toSpliced(at, 0, bad);
          for (const loopback of [true, false]) expect(await look('a.example', addresses, loopback)).toBeInstanceOf(BlockedAddress);
        },
      ),
    );
  });

  it('nowhere when it has none', async () => {
    expect(await look('a.example', [])).toBeInstanceOf(BlockedAddress);
  });

  it('home only where that is allowed, and only by its own name', async () => {
    expect(await look('localhost', ['::1', '127.0.0.1'], true)).toHaveLength(2);
    expect(await look('localhost', ['::1', '127.0.0.1'], false)).toBeInstanceOf(BlockedAddress);
    expect(await look('localhost', ['127.0.0.1', '1.1.1.1'], true)).toBeInstanceOf(BlockedAddress);
    expect(await look('localhost.', ['127.0.0.1'], true)).toBeInstanceOf(BlockedAddress);
    expect(await look('a.localhost', ['127.0.0.1'], true)).toBeInstanceOf(BlockedAddress);
  });
});
