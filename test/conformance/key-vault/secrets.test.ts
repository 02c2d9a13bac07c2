// Secrets through the unmodified SecretClient.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAll, openVault, refusalOf, unique, type Vault } from './target.ts';

let vault: Vault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.stop());

async function deleted(name: string): Promise<void> {
  await (await vault.secrets.beginDeleteSecret(name)).pollUntilDone();
}

describe('versions', () => {
  it('gives every value its own version and answers the latest or the one asked for', async () => {
    const name = unique('versions');
    const first = await vault.secrets.setSecret(name, 'one');
    const second = await vault.secrets.setSecret(name, 'two');
    expect(first.properties.version).toMatch(/^[0-9a-f]{32}$/);
    expect(second.properties.version).not.toBe(first.properties.version);
    expect(second.properties.id).toBe(`${vault.url}/secrets/${name}/${second.properties.version}`);
    expect((await vault.secrets.getSecret(name)).value).toBe('two');
    expect((await vault.secrets.getSecret(name, { version: first.properties.version ?? '' })).value).toBe('one');
    const listed = await listAll(vault.secrets.listPropertiesOfSecretVersions(name));
    expect(listed.map(({ version }) => version).sort()).toEqual([first, second].map(({ properties }) => properties.version).sort());
  });

  it('keeps attributes, content type and tags with the version', async () => {
    const name = unique('attributes');
    const notBefore = new Date('2020-01-01T00:00:00Z');
    const expiresOn = new Date('2021-01-01T00:00:00Z');
    await vault.secrets.setSecret(name, 'v', { contentType: 'text/plain', notBefore, expiresOn, tags: { kind: 'conn' } });
    const { value, properties } = await vault.secrets.getSecret(name);
    expect(value, 'exp is informational: an expired secret is still answered').toBe('v');
    expect(properties).toMatchObject({ enabled: true, contentType: 'text/plain', notBefore, expiresOn, tags: { kind: 'conn' } });
    expect(Math.abs(Date.now() - Number(properties.createdOn))).toBeLessThan(60_000);
    expect(properties.recoveryLevel).toContain('Recoverable');
    expect(properties.recoverableDays).toBeGreaterThanOrEqual(7);
  });

  it('changes the properties of one version and leaves what is not named', async () => {
    const name = unique('update');
    const { properties } = await vault.secrets.setSecret(name, 'v', { contentType: 'a', tags: { kept: 'yes' } });
    const changed = await vault.secrets.updateSecretProperties(name, properties.version ?? '', { contentType: 'b' });
    expect(changed).toMatchObject({ contentType: 'b', tags: { kept: 'yes' }, enabled: true });
    expect((await vault.secrets.getSecret(name)).value).toBe('v');
  });

  it('does not answer a disabled version, and does again when it is enabled', async () => {
    const name = unique('disabled');
    const { properties } = await vault.secrets.setSecret(name, 'one');
    await vault.secrets.setSecret(name, 'two');
    const version = properties.version ?? '';
    await vault.secrets.updateSecretProperties(name, version, { enabled: false });
    expect(await refusalOf(vault.secrets.getSecret(name, { version }))).toMatchObject({
      status: 403,
      code: 'Forbidden',
      message: 'Operation get is not allowed on a disabled secret.',
    });
    expect((await vault.secrets.getSecret(name)).value).toBe('two');
    await vault.secrets.updateSecretProperties(name, version, { enabled: true });
    expect((await vault.secrets.getSecret(name, { version })).value).toBe('one');
  });
});

describe('what the service refuses', () => {
  it('does not know a secret or a version that is not there', async () => {
    const name = unique('missing');
    expect(await refusalOf(vault.secrets.getSecret(name))).toMatchObject({ status: 404, code: 'SecretNotFound' });
    await vault.secrets.setSecret(name, 'v');
    const version = '0'.repeat(32);
    expect(await refusalOf(vault.secrets.getSecret(name, { version }))).toMatchObject({ status: 404, code: 'SecretNotFound' });
  });

  it('takes values up to 25 KB', async () => {
    const name = unique('size');
    const value = 'x'.repeat(25_600);
    await vault.secrets.setSecret(name, value);
    expect((await vault.secrets.getSecret(name)).value).toBe(value);
    expect(await refusalOf(vault.secrets.setSecret(name, `${value}x`))).toMatchObject({ status: 400, code: 'BadParameter' });
  });

  it.each(['under_score', 'dot.ted', 'a'.repeat(128)])('does not take the name %s', async (name) => {
    expect(await refusalOf(vault.secrets.setSecret(name, 'v'))).toMatchObject({ status: 400, code: 'BadParameter' });
  });

  it('takes names of 127 characters and holds them equal in any case', async () => {
    const name = unique('Long').padEnd(127, 'x');
    await vault.secrets.setSecret(name, 'v');
    expect((await vault.secrets.getSecret(name.toUpperCase())).value).toBe('v');
  });

  it('takes 15 tags and not 16', async () => {
    const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, 'v']));
    const name = unique('tags');
    expect((await vault.secrets.setSecret(name, 'v', { tags: tags(15) })).properties.tags).toEqual(tags(15));
    expect(await refusalOf(vault.secrets.setSecret(name, 'v', { tags: tags(16) }))).toMatchObject({ status: 400, code: 'BadParameter' });
  });
});

describe('lists', () => {
  it('pages by nextLink through every secret once, without values', async () => {
    const prefix = unique('list');
    const names = Array.from({ length: 7 }, (_, i) => `${prefix}-${i}`);
    for (const name of names) await vault.secrets.setSecret(name, 'v', { contentType: 'c' });
    await vault.secrets.setSecret(names[0] ?? '', 'again');
    const seen: string[] = [];
    for await (const page of vault.secrets.listPropertiesOfSecrets().byPage({ maxPageSize: 3 })) {
      expect(page.length).toBeLessThanOrEqual(3);
      for (const { name, id } of page) {
        if (!name.startsWith(prefix)) continue;
        seen.push(name);
        expect(id, 'a list names objects, not versions').toBe(`${vault.url}/secrets/${name}`);
      }
    }
    expect(seen.sort()).toEqual(names);
  });
});

describe('soft delete', () => {
  it('hides a deleted secret and keeps its name from being used', async () => {
    const name = unique('deleted');
    const { properties } = await vault.secrets.setSecret(name, 'v');
    await deleted(name);
    expect(await refusalOf(vault.secrets.getSecret(name))).toMatchObject({ status: 404, code: 'SecretNotFound' });
    const version = properties.version ?? '';
    expect(await refusalOf(vault.secrets.getSecret(name, { version }))).toMatchObject({ status: 404, code: 'SecretNotFound' });
    expect(await refusalOf(vault.secrets.updateSecretProperties(name, version, { enabled: true }))).toMatchObject({ status: 404 });
    const conflict = await refusalOf(vault.secrets.setSecret(name, 'again'));
    expect(conflict).toMatchObject({ status: 409, code: 'Conflict' });
    expect(conflict.message).toContain('deleted but recoverable state');
    expect((await listAll(vault.secrets.listPropertiesOfSecrets())).map((secret) => secret.name)).not.toContain(name);
  });

  it('shows a deleted secret with its dates, without its value', async () => {
    const name = unique('shown');
    await vault.secrets.setSecret(name, 'v', { tags: { a: 'b' } });
    await deleted(name);
    const shown = await vault.secrets.getDeletedSecret(name);
    expect(shown.value).toBeUndefined();
    expect(shown.properties.tags).toEqual({ a: 'b' });
    expect(shown.recoveryId).toBe(`${vault.url}/deletedsecrets/${name}`);
    const days = (Number(shown.scheduledPurgeDate) - Number(shown.deletedOn)) / 86_400_000;
    expect(days).toBe(shown.properties.recoverableDays);
    expect((await listAll(vault.secrets.listDeletedSecrets())).map((secret) => secret.name)).toContain(name);
  });

  it('recovers every version', async () => {
    const name = unique('recovered');
    const { properties } = await vault.secrets.setSecret(name, 'one');
    await vault.secrets.setSecret(name, 'two');
    await deleted(name);
    await (await vault.secrets.beginRecoverDeletedSecret(name)).pollUntilDone();
    expect((await vault.secrets.getSecret(name)).value).toBe('two');
    expect((await vault.secrets.getSecret(name, { version: properties.version ?? '' })).value).toBe('one');
    expect(await refusalOf(vault.secrets.getDeletedSecret(name))).toMatchObject({ status: 404, code: 'SecretNotFound' });
  });

  it('purges for good and frees the name', async () => {
    const name = unique('purged');
    await vault.secrets.setSecret(name, 'one');
    await deleted(name);
    await vault.secrets.purgeDeletedSecret(name);
    expect(await refusalOf(vault.secrets.getDeletedSecret(name))).toMatchObject({ status: 404, code: 'SecretNotFound' });
    await expect.poll(() => vault.secrets.setSecret(name, 'two').then(({ value }) => value), { timeout: 20_000 }).toBe('two');
    expect(await listAll(vault.secrets.listPropertiesOfSecretVersions(name))).toHaveLength(1);
  });
});
