// The key that signs tokens over days, with the clock in the test's hand, against the twin's Key Vault: what is asked of it and when, and what goes on
// without it.
import { createServer, request, type Server } from 'node:http';
import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../shared/config/config.ts';
import { TokenKeys } from '../../../shared/identity/token-keys.ts';
import { PlatformScope } from '../../../shared/scope/maker.ts';
import { Vault } from '../../../shared/vault/vault.ts';
import { openVault, type Vault as TestVault } from '../../conformance/key-vault/target.ts';

const minute = 60_000;
const day = 1_440 * minute;

let vault: TestVault;
let between: Server;
/** Lists of versions asked for. */
let lists = 0;
let down = false;
let maker: TokenKeys;

/** One instance more. */
function instance(): TokenKeys {
  const address = between.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const config = parseConfig({
    FLOWGRID_BASE_URL: 'http://127.0.0.1:1',
    FLOWGRID_COSMOS_ENDPOINT: 'http://127.0.0.1:1',
    FLOWGRID_KEYVAULT_URL: `http://127.0.0.1:${port}`,
    FLOWGRID_SERVICEBUS: 'Endpoint=sb://127.0.0.1;',
    FLOWGRID_INSECURE_TRANSPORT: 'true',
    FLOWGRID_INSECURE_COSMOS_KEY: 'AAAA',
    FLOWGRID_INSECURE_KEYVAULT_TOKEN: vault.token,
    FLOWGRID_INSECURE_SERVICEBUS_ADMIN: 'Endpoint=sb://127.0.0.1;',
    FLOWGRID_INSECURE_BLOBS: 'BlobEndpoint=http://127.0.0.1:1/x;',
  });
  return new TokenKeys(new Vault(config), new PlatformScope(async () => undefined));
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-22T12:00:00Z') });
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vault = await openVault();
  [lists, down] = [0, false];
  between = createServer((incoming, outgoing) => {
    // The SDK's first request bears no token: it wants to be told where to get one.
    if (incoming.url?.startsWith('/keys/p--tokens/versions') === true && incoming.headers.authorization !== undefined) lists += 1;
    // A status that the SDK does not try again.
    if (down) return void outgoing.writeHead(400).end('{}');
    const { hostname, port } = new URL(vault.url);
    const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => void between.listen(0, '127.0.0.1', resolve));
  maker = instance();
  await maker.maintain();
  lists = 0;
});

afterEach(async () => {
  between.close();
  await vault.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const later = (ms: number) => vi.setSystemTime(Date.now() + ms);
const signer = async (keys: TokenKeys) => decodeProtectedHeader(await keys.sign({})).kid ?? '';
const kids = async (keys: TokenKeys) => (await keys.published()).map(({ version }) => version);

describe('a new version', () => {
  it('comes after thirty days, is published ten minutes before it signs, and the old one goes when its last token has ended', async () => {
    const host = instance();
    const old = await signer(host);
    later(29 * day);
    await maker.maintain();
    expect(await kids(host)).toEqual([old]);
    later(day);
    await maker.maintain();
    later(5 * minute);
    const [young = '', ...rest] = await kids(host);
    expect(rest).toEqual([old]);
    expect(await signer(host)).toBe(old);
    later(9 * minute);
    expect(await signer(host)).toBe(old);
    later(minute);
    expect(await signer(host)).toBe(young);
    later(30 * minute);
    await maker.maintain();
    expect(await kids(host)).toEqual([young, old]);
    expect(await host.find(old)).toBeDefined();
    later(15 * minute);
    await maker.maintain();
    later(5 * minute);
    expect(await kids(host)).toEqual([young]);
    expect(await host.find(old)).toBeUndefined();
  });

  it('is made once, however often the timer comes round', async () => {
    await Promise.all([maker.maintain(), maker.maintain(), instance().ensure()]);
    expect(await kids(instance())).toHaveLength(1);
  });
});

describe('Key Vault', () => {
  it('is asked once by many at once, and again no sooner than in a minute', async () => {
    const host = instance();
    await Promise.all(Array.from({ length: 50 }, () => kids(host)));
    expect(lists).toBe(1);
    const [kid = ''] = await kids(host);
    for (let second = 0; second < 59; second++) {
      later(1_000);
      await host.find(kid);
    }
    expect(lists).toBe(1);
    later(1_000);
    for (let count = 0; count < 50; count++) expect(await host.find(kid)).toBeDefined();
    await vi.waitFor(() => expect(lists).toBe(2));
  });

  it('is asked once a minute for versions that are not there, and knows a new one at once', async () => {
    const host = instance();
    const [kid = ''] = await kids(host);
    for (let count = 0; count < 100; count++) expect(await host.find(count.toString(16).padStart(32, '0'))).toBeUndefined();
    expect(lists).toBe(2);
    const other = instance();
    await kids(other);
    await vault.keys.rotateKey('p--tokens');
    const young = (await kids(instance())).find((version) => version !== kid) ?? '';
    expect(await other.find(young)).toBeDefined();
    // The first has used its minute up.
    expect(await host.find(young)).toBeUndefined();
    later(minute);
    expect(await host.find(young)).toBeDefined();
  });

  it('is not needed for what is known, for however long it is away', async () => {
    const host = instance();
    const kid = await signer(host);
    down = true;
    for (let hours = 0; hours < 48; hours++) {
      later(60 * minute);
      expect(await host.find(kid)).toBeDefined();
      expect(await host.find('0'.repeat(32))).toBeUndefined();
    }
    expect(await kids(host)).toEqual([kid]);
    await expect(host.sign({})).rejects.toThrow();
    await expect(instance().find(kid)).rejects.toThrow();
    down = false;
    later(minute);
    expect(await signer(host)).toBe(kid);
  });
});
