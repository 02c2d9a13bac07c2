// Keys through the unmodified KeyClient and CryptographyClient.
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from 'node:crypto';
import type { JsonWebKey, KeyVaultKey } from '@azure/keyvault-keys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAll, openVault, real, refusalOf, unique, type Vault } from './target.ts';

let vault: Vault;
let rsa: KeyVaultKey;
let ec: KeyVaultKey;
beforeAll(async () => {
  vault = await openVault();
  rsa = await vault.keys.createRsaKey(unique('rsa'), { keySize: 2048 });
  ec = await vault.keys.createEcKey(unique('ec'), { curve: 'P-256' });
});
afterAll(() => vault.stop());

function publicKeyOf({ key = {} }: KeyVaultKey) {
  const text = (bytes: Uint8Array = new Uint8Array()) => Buffer.from(bytes).toString('base64url');
  const { kty = '', crv = '' } = key;
  const jwk = kty === 'RSA' ? { kty, n: text(key.n), e: text(key.e) } : { kty, crv, x: text(key.x), y: text(key.y) };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

describe('creation', () => {
  it.each([2048, 3072, 4096])('makes RSA keys of %i bits', async (keySize) => {
    const key = await vault.keys.createRsaKey(unique('size'), { keySize });
    expect((key.key?.n?.length ?? 0) * 8).toBe(keySize);
  });

  it('does not hold up other requests', async () => {
    const key = vault.keys.createRsaKey(unique('slow'), { keySize: 4096 }).then(() => 'key');
    const secret = vault.secrets.setSecret(unique('quick'), 'v').then(() => 'secret');
    expect(await Promise.race([key, secret])).toBe('secret');
    await key;
  });

  it('answers the public part alone', async () => {
    for (const key of [rsa, ec, await vault.keys.getKey(rsa.name), await vault.keys.getKey(ec.name)]) {
      const parts: (keyof JsonWebKey)[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];
      expect(parts.filter((part) => key.key?.[part] !== undefined)).toEqual([]);
      expect(key.id).toBe(`${vault.url}/keys/${key.name}/${key.properties.version}`);
      expect(key.properties.version).toMatch(/^[0-9a-f]{32}$/);
    }
    expect([rsa.keyType, ec.keyType]).toEqual(['RSA', 'EC']);
    expect(rsa.keyOperations?.toSorted()).toEqual(['decrypt', 'encrypt', 'sign', 'unwrapKey', 'verify', 'wrapKey']);
    expect(ec.keyOperations?.toSorted()).toEqual(['sign', 'verify']);
    expect(ec.key?.crv).toBe('P-256');
  });

  it('keeps attributes and tags', async () => {
    const expiresOn = new Date('2030-01-01T00:00:00Z');
    const name = unique('attributes');
    await vault.keys.createRsaKey(name, { expiresOn, tags: { tenant: 'acme' }, keyOps: ['wrapKey', 'unwrapKey'] });
    const { properties, keyOperations } = await vault.keys.getKey(name);
    expect(properties).toMatchObject({ enabled: true, expiresOn, tags: { tenant: 'acme' } });
    expect(keyOperations).toEqual(['wrapKey', 'unwrapKey']);
  });

  it('does not know a key that is not there', async () => {
    expect(await refusalOf(vault.keys.getKey(unique('missing')))).toMatchObject({ status: 404, code: 'KeyNotFound' });
  });
});

describe('wrapping', () => {
  it.each(['RSA-OAEP-256', 'RSA-OAEP'] as const)(
    'opens with %s what it wrapped, and what was wrapped with the public part',
    async (algorithm) => {
      const secret = randomBytes(32);
      const crypto = vault.crypto(rsa.id ?? '');
      const { result } = await crypto.wrapKey(algorithm, secret);
      expect(Buffer.from((await crypto.unwrapKey(algorithm, result)).result)).toEqual(secret);
      const oaepHash = algorithm === 'RSA-OAEP' ? 'sha1' : 'sha256';
      const local = publicEncrypt({ key: publicKeyOf(rsa), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, secret);
      expect(Buffer.from((await crypto.unwrapKey(algorithm, local)).result)).toEqual(secret);
    },
  );

  it('refuses what another key wrapped', async () => {
    const other = await vault.keys.createRsaKey(unique('other'));
    const { result } = await vault.crypto(other.id ?? '').wrapKey('RSA-OAEP-256', randomBytes(32));
    const refused = refusalOf(vault.crypto(rsa.id ?? '').unwrapKey('RSA-OAEP-256', result));
    expect(await refused).toMatchObject({ status: 400, code: 'BadParameter' });
  });

  it('opens with the version that wrapped, not with the one that followed', async () => {
    const name = unique('rotated');
    const first = await vault.keys.createRsaKey(name, { tags: { kept: 'yes' } });
    const { result } = await vault.crypto(first.id ?? '').wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    const second = await vault.keys.rotateKey(name);
    expect(second.properties.version).not.toBe(first.properties.version);
    expect(second.key?.n).not.toEqual(first.key?.n);
    expect(second.properties.tags).toEqual({ kept: 'yes' });
    expect((await vault.keys.getKey(name)).properties.version).toBe(second.properties.version);
    expect(Buffer.from((await vault.crypto(first.id ?? '').unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('data key');
    expect(await refusalOf(vault.crypto(second.id ?? '').unwrapKey('RSA-OAEP-256', result))).toMatchObject({ status: 400 });
    const versions = await listAll(vault.keys.listPropertiesOfKeyVersions(name));
    expect(versions.map(({ version }) => version).sort()).toEqual([first, second].map((key) => key.properties.version).sort());
  });

  it('uses the latest version when none is named', async () => {
    const unversioned = vault.crypto(`${vault.url}/keys/${rsa.name}`);
    const { result } = await unversioned.wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    expect(Buffer.from((await vault.crypto(rsa.id ?? '').unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('data key');
  });
});

describe('signing', () => {
  it('signs digests with ES256 so that the public part verifies the message', async () => {
    const crypto = vault.crypto(ec.id ?? '');
    for (let i = 0; i < 16; i++) {
      const message = randomBytes(100);
      const digest = createHash('sha256').update(message).digest();
      const { result } = await crypto.sign('ES256', digest);
      expect(verify('sha256', message, { key: publicKeyOf(ec), dsaEncoding: 'ieee-p1363' }, result)).toBe(true);
      expect((await crypto.verify('ES256', digest, result)).result).toBe(true);
      result[i * 4] = (result[i * 4] ?? 0) ^ 1;
      expect((await crypto.verify('ES256', digest, result)).result).toBe(false);
    }
  });

  it('takes digests of 32 bytes only', async () => {
    const refused = refusalOf(vault.crypto(ec.id ?? '').sign('ES256', randomBytes(31)));
    expect(await refused).toMatchObject({ status: 400, code: 'BadParameter' });
  });
});

describe('what a key may not do', () => {
  it('does nothing while disabled, though it can be looked at', async () => {
    const key = await vault.keys.createRsaKey(unique('disabled'));
    const crypto = vault.crypto(key.id ?? '');
    const { result } = await crypto.wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    await vault.keys.updateKeyProperties(key.name, key.properties.version ?? '', { enabled: false });
    const refused = await refusalOf(crypto.unwrapKey('RSA-OAEP-256', result));
    expect(refused).toMatchObject({ status: 403, code: 'Forbidden', message: 'Operation unwrapKey is not allowed on a disabled key.' });
    expect((await vault.keys.getKey(key.name)).properties.enabled).toBe(false);
    await vault.keys.updateKeyProperties(key.name, { enabled: true });
    expect(Buffer.from((await crypto.unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('data key');
  });

  it('does not do what its operations leave out', async () => {
    const key = await vault.keys.createRsaKey(unique('operations'));
    const crypto = vault.crypto(key.id ?? '');
    await crypto.wrapKey('RSA-OAEP-256', Buffer.from('fetches and keeps the key'));
    await vault.keys.updateKeyProperties(key.name, { keyOps: ['unwrapKey'] });
    expect(await refusalOf(crypto.wrapKey('RSA-OAEP-256', Buffer.from('x')))).toMatchObject({ status: 403, code: 'Forbidden' });
  });

  it('does not wrap after its expiry, but still unwraps', async () => {
    const key = await vault.keys.createRsaKey(unique('expired'));
    const crypto = vault.crypto(key.id ?? '');
    const { result } = await crypto.wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    await vault.keys.updateKeyProperties(key.name, { expiresOn: new Date('2020-01-01T00:00:00Z') });
    expect(await refusalOf(crypto.wrapKey('RSA-OAEP-256', Buffer.from('x')))).toMatchObject({ status: 403, code: 'Forbidden' });
    expect(Buffer.from((await crypto.unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('data key');
  });
});

describe('soft delete', () => {
  it('refuses a deleted key everything until it is recovered', async () => {
    const key = await vault.keys.createRsaKey(unique('deleted'));
    const crypto = vault.crypto(key.id ?? '');
    const { result } = await crypto.wrapKey('RSA-OAEP-256', Buffer.from('data key'));
    const { name } = key;
    await (await vault.keys.beginDeleteKey(name)).pollUntilDone();
    expect(await refusalOf(crypto.unwrapKey('RSA-OAEP-256', result))).toMatchObject({ status: 404, code: 'KeyNotFound' });
    expect(await refusalOf(vault.keys.getKey(name))).toMatchObject({ status: 404, code: 'KeyNotFound' });
    expect(await refusalOf(vault.keys.rotateKey(name))).toMatchObject({ status: 404, code: 'KeyNotFound' });
    expect(await refusalOf(vault.keys.createRsaKey(name))).toMatchObject({ status: 409, code: 'Conflict' });
    expect((await listAll(vault.keys.listPropertiesOfKeys())).map((item) => item.name)).not.toContain(name);
    const shown = await vault.keys.getDeletedKey(name);
    expect(shown.properties.recoveryId).toBe(`${vault.url}/deletedkeys/${name}`);
    expect(Number(shown.properties.scheduledPurgeDate)).toBeGreaterThan(Date.now());
    expect((await listAll(vault.keys.listDeletedKeys())).map((item) => item.name)).toContain(name);
    await (await vault.keys.beginRecoverDeletedKey(name)).pollUntilDone();
    expect(Buffer.from((await crypto.unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('data key');
  });

  it('purges for good', async () => {
    const { name } = await vault.keys.createEcKey(unique('purged'));
    await (await vault.keys.beginDeleteKey(name)).pollUntilDone();
    await vault.keys.purgeDeletedKey(name);
    expect(await refusalOf(vault.keys.getDeletedKey(name))).toMatchObject({ status: 404, code: 'KeyNotFound' });
  });
});

describe.skipIf(real)('under purge protection', () => {
  it('what is deleted is recovered or waits: nobody purges it, nor takes its name', async () => {
    const guarded = await openVault({ purgeProtection: true });
    const { name, properties } = await guarded.keys.createEcKey(unique('guarded'));
    expect(properties.recoveryLevel).toBe('Recoverable');
    await (await guarded.keys.beginDeleteKey(name)).pollUntilDone();
    expect(await refusalOf(guarded.keys.purgeDeletedKey(name))).toMatchObject({ status: 403, code: 'Forbidden' });
    expect(await refusalOf(guarded.keys.createEcKey(name))).toMatchObject({ status: 409 });
    await (await guarded.keys.beginRecoverDeletedKey(name)).pollUntilDone();
    expect((await guarded.keys.getKey(name)).name).toBe(name);
    await guarded.stop();
  });
});

describe.skipIf(real)('what the twin does not model is refused by name', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['random bytes', () => vault.keys.getRandomBytes(16)],
    ['import', () => vault.keys.importKey('k', { kty: 'RSA', n: randomBytes(256), e: randomBytes(3) })],
    ['backup', () => vault.keys.backupKey(rsa.name)],
    ['restore', () => vault.keys.restoreKeyBackup(randomBytes(8))],
    ['rotation policies', () => vault.keys.getKeyRotationPolicy(rsa.name)],
    ['HSM keys', () => vault.keys.createRsaKey('k', { hsm: true })],
    ['other curves', () => vault.keys.createEcKey('k', { curve: 'P-521' })],
    ['exportable keys', () => vault.keys.createRsaKey('k', { exportable: true })],
    ['decryption', () => vault.crypto(rsa.id ?? '').decrypt('RSA-OAEP-256', randomBytes(256))],
    ['encryption', () => vault.crypto(rsa.id ?? '').encrypt('RSA-OAEP-256', randomBytes(32))],
    ['RSA signatures', () => vault.crypto(rsa.id ?? '').sign('RS256', randomBytes(32))],
    ['secret backup', () => vault.secrets.backupSecret('s')],
  ])('%s', async (_, work) => {
    const { status, message } = await refusalOf(work());
    expect(status).toBe(501);
    expect(message).toContain('not modelled by the local twin');
  });
});
