// Erasing a tenant: it stops at once, everything of it goes, and what is told of it is true.

import { CosmosClient } from '@azure/cosmos';
import { ServiceBusAdministrationClient } from '@azure/service-bus';
import { BlobServiceClient } from '@azure/storage-blob';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { randomName } from '../../../shared/clock/clock.ts';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { openMailbox } from '../messages/mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const platform = new Asker(here, local.platformKey);
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

interface Record {
  readonly status: string;
  readonly deleted: readonly { readonly what: string; readonly at: string }[];
  readonly keyRecoverableUntil: string | null;
  readonly backupsUntil: string | null;
  readonly certificate?: string;
}

const order = ['key', 'secrets', 'queues', 'memberships', 'blobs', 'work', 'ledger', 'control', 'directory'];

const database = new CosmosClient({ ...local.cosmos, connectionPolicy: { enableEndpointDiscovery: false } }).database('flowgrid');

/** How many documents a tenant has in a container. */
async function documentsOf(container: string, tenantId: string): Promise<number> {
  const partitionKey = container === 'control' ? tenantId : [tenantId];
  const { resources } = await database.container(container).items.query('SELECT * FROM c', { partitionKey }).fetchAll();
  return resources.length;
}

async function vaultNames(collection: string): Promise<string[]> {
  const names: string[] = [];
  let url = `${local.keyVault.url}/${collection}?api-version=7.6`;
  while (url !== '') {
    const page = (await (await fetch(url, { headers: { authorization: `Bearer ${local.keyVault.token}` } })).json()) as {
      value: { id?: string; kid?: string }[];
      nextLink: string | null;
    };
    names.push(...page.value.map(({ id, kid }) => (id ?? kid ?? '').split('/')[4] ?? ''));
    url = page.nextLink?.replace(/^https:/, 'http:') ?? '';
  }
  return names;
}

async function claimsOf(tenantId: string): Promise<number> {
  const container = BlobServiceClient.fromConnectionString(local.blobs.connectionString).getContainerClient('claims');
  let count = 0;
  for await (const _ of container.listBlobsFlat({ prefix: `${tenantId}/` })) count += 1;
  return count;
}

async function queueNames(): Promise<string[]> {
  const url = /Endpoint=sb:\/\/([^;/]+)/.exec(local.serviceBus.adminConnectionString)?.[1];
  expect(url).toBeDefined();
  const client = new ServiceBusAdministrationClient(local.serviceBus.adminConnectionString);
  const pipeline = (client as unknown as { pipeline: { addPolicy(policy: object, options: object): void } }).pipeline;
  const { plainLoopback } = await import('../../../shared/config/loopback-transport.ts');
  pipeline.addPolicy(plainLoopback, { afterPhase: 'Retry' });
  const names: string[] = [];
  for await (const { name } of client.listQueues()) names.push(name);
  return names;
}

let tenant: TestTenant;
let bystander: TestTenant;
let erased: Record;
let agentKey: string;

beforeAll(async () => {
  [tenant, bystander] = await Promise.all([newTenant(local), newTenant(local)]);
  for (const each of [tenant, bystander]) {
    const owner = new Asker(here, each.key);
    const { asker } = await openMailbox(owner, each.id, 'worker');
    await owner.post('/api/messages', { to: 'worker', from: 'worker', messageType: 'large', payload: 'x'.repeat(200_000) });
    if (each === tenant) agentKey = asker.key ?? '';
    await owner.ask('PUT', `/tenants/${each.id}/members/ada-${each.id}`, { json: { role: 'owner' } });
    await owner.post(`/tenants/${each.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${each.id}` });
    await owner.post('/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} });
  }
  for (const container of ['control', 'work', 'ledger']) expect(await documentsOf(container, tenant.id)).toBeGreaterThan(0);
});

describe('DELETE /tenants/{tenantId}', () => {
  test('is for the platform, of tenants there are', async () => {
    problemOf(await new Asker(here, tenant.key).ask('DELETE', `/tenants/${tenant.id}`), 403, 'scope_missing');
    problemOf(await new Asker(here, tenant.key).ask('GET', `/tenants/${tenant.id}/erasure`), 403, 'scope_missing');
    problemOf(await platform.ask('DELETE', `/tenants/t-${randomName(8)}`), 404, 'not_found');
    problemOf(await platform.ask('GET', `/tenants/${tenant.id}/erasure`), 404, 'not_found');
  });

  test('stops the tenant at once and answers a record that fills', async () => {
    const answer = await platform.ask<Record>('DELETE', `/tenants/${tenant.id}`);
    expect([answer.status, answer.body]).toEqual([
      202,
      { tenantId: tenant.id, status: 'erasing', requestedAt: instant, deleted: [], keyRecoverableUntil: null, backupsUntil: null },
    ]);
    problemOf(await new Asker(here, tenant.key).ask('GET', `/tenants/${tenant.id}`), 401, 'unauthenticated');
    problemOf(await platform.ask('PATCH', `/tenants/${tenant.id}`, { json: { tier: 'premium' } }), 409, 'tenant_erased');
    problemOf(await platform.ask('POST', `/tenants/${tenant.id}/resume`), 409, 'tenant_erased');
    expect((await platform.at(there).ask('DELETE', `/tenants/${tenant.id}`)).status).toBe(202);

    await until('it is erased', async () => {
      erased = await platform.get<Record>(`/tenants/${tenant.id}/erasure`);
      return erased.status === 'erased';
    });
    expect(erased.deleted.map(({ what }) => what)).toEqual(order);
    expect(erased.deleted.map(({ at }) => at)).toEqual(erased.deleted.map(({ at }) => at).toSorted());
    const days = (until: string | null) => Math.round((Date.parse(until ?? '') - Date.now()) / 86_400_000);
    expect([days(erased.keyRecoverableUntil), days(erased.backupsUntil)]).toEqual([90, 30]);
    expect(erased.certificate).toBeUndefined();
  });

  test('leaves nothing of the tenant, and everything of others', async () => {
    for (const container of ['control', 'work', 'ledger']) {
      expect([container, await documentsOf(container, tenant.id)]).toEqual([container, 0]);
      expect(await documentsOf(container, bystander.id)).toBeGreaterThan(0);
    }
    const [secrets, keys, queues] = await Promise.all([vaultNames('secrets'), vaultNames('keys'), queueNames()]);
    expect([await claimsOf(tenant.id), await claimsOf(bystander.id)]).toEqual([0, 1]);
    expect(secrets.filter((name) => name.startsWith(`t--${tenant.id}`))).toEqual([]);
    expect(keys).not.toContain(`t--${tenant.id}`);
    expect(await vaultNames('deletedkeys')).toContain(`t--${tenant.id}`);
    expect(queues.filter((name) => name.startsWith(`${tenant.id}-`))).toEqual([]);
    expect(secrets.filter((name) => name.startsWith(`t--${bystander.id}--`)).length).toBeGreaterThan(0);
    expect(keys).toContain(`t--${bystander.id}`);
    expect(queues.filter((name) => name.startsWith(`${bystander.id}-`))).toHaveLength(4);
    const owner = new Asker(there, bystander.key);
    expect(await owner.post('/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} })).toMatchObject({
      bot: { workspace_name: bystander.id },
    });
  });

  test('nobody can purge the key, nor make it anew', async () => {
    const headers = { authorization: `Bearer ${local.keyVault.token}`, 'content-type': 'application/json' };
    const purge = await fetch(`${local.keyVault.url}/deletedkeys/t--${tenant.id}?api-version=7.6`, { method: 'DELETE', headers });
    expect(purge.status).toBe(403);
    const remake = await fetch(`${local.keyVault.url}/keys/t--${tenant.id}/create?api-version=7.6`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ kty: 'RSA' }),
    });
    expect(remake.status).toBe(409);
  });

  test('keeps the id for ever, and shows the platform that the tenant was', async () => {
    for (const host of [here, there]) {
      for (const key of [tenant.key, agentKey])
        problemOf(await new Asker(host, key).ask('GET', '/api/auth/whoami'), 401, 'unauthenticated');
      const by = platform.at(host);
      for (const name of [tenant.id, 'another'])
        problemOf(await by.ask('POST', '/tenants', { json: { id: tenant.id, name } }), 409, 'tenant_exists');
      expect(await by.get(`/tenants/${tenant.id}`)).toMatchObject({ id: tenant.id, status: 'erased', quotas: {}, flags: {} });
      problemOf(await by.ask('POST', `/tenants/${tenant.id}/suspend`), 409, 'tenant_erased');
    }
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { id: string }[]; nextCursor: string | null } = await platform.get(
        `/tenants?limit=200${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(seen).toContain(bystander.id);
    expect(seen).not.toContain(tenant.id);
  });

  test('asked again, sweeps again and answers the same', async () => {
    expect(await platform.ask('DELETE', `/tenants/${tenant.id}`)).toMatchObject({ status: 202, body: erased });
    for (const container of ['control', 'work', 'ledger']) expect(await documentsOf(container, tenant.id)).toBe(0);
  });
});

test('a tenant that was suspended, or is not made yet, can be erased', async () => {
  const suspended = await newTenant(local);
  await platform.post(`/tenants/${suspended.id}/suspend`);
  const id = `t-${randomName(8)}`;
  await platform.post('/tenants', { id, name: id });
  for (const each of [suspended.id, id]) {
    expect((await platform.ask('DELETE', `/tenants/${each}`)).status).toBe(202);
    await until('it is erased', async () => (await platform.get<Record>(`/tenants/${each}/erasure`)).status === 'erased');
    for (const container of ['control', 'work', 'ledger']) expect([container, await documentsOf(container, each)]).toEqual([container, 0]);
    expect((await queueNames()).filter((name) => name.startsWith(`${each}-`))).toEqual([]);
  }
});
