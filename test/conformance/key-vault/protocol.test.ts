// What lies under the SDK: the challenge, the API version, throttling, links, and what a kill leaves.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PartProcess, startPartProcess } from '../part-process.ts';
import { listAll, openVault, real, refusalOf, unique, type Vault, vaultAt } from './target.ts';

let vault: Vault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.stop());

function request(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, real ? vault.url : vault.url.replace('https:', 'http:')), init);
}

function authorized(path: string): Promise<Response> {
  return request(path, { headers: { authorization: `Bearer ${vault.token}` } });
}

describe('the challenge', () => {
  it('names the resource to a request without a token', async () => {
    const response = await request('/secrets?api-version=7.5');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(
      /^Bearer authorization="https:\/\/[^"]+", resource="https:\/\/vault\.azure\.net"$/,
    );
    expect(await response.json()).toMatchObject({ error: { code: 'Unauthorized' } });
  });

  it.each(['', 'x', 'wrong'.repeat(20)])('refuses the token «%s»', async (suffix) => {
    const { secrets } = vaultAt(vault.url, suffix === 'x' ? `${vault.token}x` : suffix || vault.token.slice(1));
    expect(await refusalOf(secrets.getSecret('any'))).toMatchObject({ status: 401, code: 'Unauthorized' });
  });
});

describe('the protocol', () => {
  it('needs an API version it knows', async () => {
    for (const query of ['', '?api-version=', '?api-version=1.0']) {
      const response = await authorized(`/secrets${query}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: 'BadParameter' } });
    }
  });

  it('writes links as https, since the SDK takes no other', async () => {
    const prefix = unique('link');
    for (let i = 0; i < 2; i++) await vault.secrets.setSecret(`${prefix}-${i}`, 'v');
    const page = async (path: string) => JSON.parse(await (await authorized(path)).text());
    const first = await page('/secrets?api-version=7.5&maxresults=1');
    expect(first.value).toHaveLength(1);
    expect(first.nextLink).toMatch(/^https:.*\/secrets\?api-version=7.5&\$skiptoken=/);
    const { pathname, search } = new URL(first.nextLink);
    const second = await page(`${pathname}${search}`);
    expect(second.value).toHaveLength(1);
    expect(second.value).not.toEqual(first.value);
  });

  it.each(['maxresults=0', 'maxresults=26', 'maxresults=x', '$skiptoken=x'])('does not take %s', async (parameter) => {
    expect((await authorized(`/secrets?api-version=7.5&${parameter}`)).status).toBe(400);
  });

  it('reads bodies of a bounded size, as JSON', async () => {
    const put = (body: string) =>
      request(`/secrets/${unique('body')}?api-version=7.5`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${vault.token}`, 'content-type': 'application/json' },
        body,
      });
    expect((await put('{"value":')).status).toBe(400);
    expect((await put('{}')).status).toBe(400);
    if (!real) expect((await put(JSON.stringify({ value: 'x'.repeat(1_000_000) }))).status).toBe(413);
  });

  it.skipIf(real)('refuses certificates and everything else it does not model', async () => {
    for (const path of ['/certificates?api-version=7.5', '/secrets?api-version=7.5&filter=x', '/keys/k/rotationpolicy?api-version=7.5']) {
      const response = await authorized(path);
      expect(response.status).toBe(501);
      expect(await response.json()).toMatchObject({ error: { code: 'NotImplemented' } });
    }
  });
});

describe.skipIf(real)('faults', () => {
  afterEach(() => vault.setFaults([]));

  it('throttles as the service does', async () => {
    vault.setFaults([{ service: 'keyVault', match: 'GET /secrets/', rate: 1, effect: '429' }]);
    const response = await authorized('/secrets/any?api-version=7.5');
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ error: { code: 'Throttled' } });
    expect((await authorized('/secrets?api-version=7.5')).status, 'another operation is not struck').toBe(200);
  });

  it('fails with 500 and drops connections', async () => {
    vault.setFaults([{ service: 'keyVault', rate: 1, effect: '500' }]);
    expect(await refusalOf(vault.secrets.getSecret('any'))).toMatchObject({ status: 500, code: 'InternalServerError' });
    vault.setFaults([{ service: 'keyVault', rate: 1, effect: 'drop' }]);
    await expect(authorized('/secrets?api-version=7.5')).rejects.toThrow();
  });
});

describe.skipIf(real)('the documented limits', () => {
  it('are off unless asked for, and then hold per kind of operation', async () => {
    const limited = await openVault({ limits: true });
    try {
      for (let i = 0; i < 20; i++) {
        await limited.keys.createEcKey('k');
        await vault.keys.createEcKey('k');
      }
      await vault.keys.createEcKey('k');
      expect(await refusalOf(limited.keys.createEcKey('k'))).toMatchObject({ status: 429, code: 'Throttled' });
      expect((await limited.keys.getKey('k')).name, 'other operations have their own budget').toBe('k');
    } finally {
      await limited.stop();
    }
  });
});

describe.skipIf(real)('after kill -9', () => {
  let part: PartProcess | undefined;
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowgrid-key-vault-'));
  });
  afterAll(async () => {
    await part?.kill();
    await rm(folder, { recursive: true });
  });

  it('everything that was acknowledged is there', async () => {
    const start = async () => {
      part = await startPartProcess('local/key-vault/start.ts', 'startKeyVault', { folder, token: 't' });
      return { part, vault: vaultAt(`https://127.0.0.1:${part.port}`, 't') };
    };
    const before = await start();
    const key = await before.vault.keys.createRsaKey('k');
    const { result } = await before.vault.crypto(key.id ?? '').wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    await before.vault.secrets.setSecret('gone', 'v');
    await before.vault.secrets.beginDeleteSecret('gone');
    const acknowledged: string[] = [];
    const write = async (writer: number) => {
      for (let i = 0; ; i++) {
        const name = `w${writer}-${i}`;
        await before.vault.secrets.setSecret(name, name);
        if (acknowledged.push(name) === 100) void before.part.kill();
      }
    };
    await Promise.allSettled(Array.from({ length: 8 }, (_, writer) => write(writer)));
    expect(acknowledged.length).toBeGreaterThanOrEqual(100);

    const { vault } = await start();
    const listed = new Set((await listAll(vault.secrets.listPropertiesOfSecrets())).map(({ name }) => name));
    expect(acknowledged.filter((name) => !listed.has(name))).toEqual([]);
    expect((await vault.secrets.getSecret('w0-0')).value).toBe('w0-0');
    expect((await vault.secrets.getDeletedSecret('gone')).name).toBe('gone');
    const opened = await vault.crypto(`${vault.url}/keys/k/${key.properties.version}`).unwrapKey('RSA-OAEP-256', result);
    expect(Buffer.from(opened.result).toString()).toBe('data key');
  });
});
