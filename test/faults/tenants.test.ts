// Tenants that are made, closed and erased while what they need is away, messages are lost and hosts die: all of it is finished, by itself.
import { createPublicKey } from 'node:crypto';
import { CosmosClient } from '@azure/cosmos';
import { compactVerify, importJWK } from 'jose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Caller } from '../../local/demo/caller.ts';
import { randomName } from '../../shared/clock/clock.ts';
import { dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, until } from '../flowgrid.ts';

const folder = dataFolder();
let flowGrid: FlowGrid;
let platform: Caller;

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path);
  platform = new Caller(flowGrid.local.api, flowGrid.local.platformKey);
});
afterEach(async ({ task }) => {
  await setFaults([]);
  if (task.result?.state === 'fail') console.error(flowGrid.output.slice(-4_000));
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

async function setFaults(faults: object[]): Promise<void> {
  await fetch(flowGrid.local.faults, { method: 'PUT', body: JSON.stringify(faults), headers: { 'content-type': 'application/json' } });
}

interface Tenant {
  readonly status: string;
  readonly provisioning: readonly { readonly step: string; readonly state: string }[];
}

interface Erasure {
  readonly status: string;
  readonly deleted: readonly { readonly what: string; readonly at: string }[];
  readonly keyRecoverableUntil: string;
  readonly backupsUntil: string;
  readonly certificate?: string;
}

interface Who {
  readonly bot: { readonly workspace_name: string };
}

const erasureOf = (id: string) => platform.ask<Erasure>('GET', `/tenants/${id}/erasure`);
const make = async (id: string): Promise<{ id: string; owner: Caller }> => {
  const { ownerKey } = await platform.ask<{ ownerKey: { key: string } }>('POST', '/tenants', { id, name: id });
  return { id, owner: new Caller(flowGrid.local.api, ownerKey.key) };
};
const stepsDone = ({ provisioning }: Tenant) => provisioning.filter(({ state }) => state === 'done').map(({ step }) => step);

async function killHost(): Promise<void> {
  const { pids } = flowGrid.local;
  kill(pids['host-0'] ?? 0);
  await until('the host is another one', async () => flowGrid.local.pids['host-0'] !== pids['host-0']);
  await until('it answers', async () => (await fetch(`${flowGrid.local.api}/api/health`).catch(() => undefined))?.ok === true);
}

test('what no message tells of is done all the same', async () => {
  const suspended = await newTenant(flowGrid.local);
  const erased = await newTenant(flowGrid.local);
  await setFaults([{ service: 'serviceBus', match: 'platform-provision', rate: 1, effect: '500' }]);
  const made = await make(`t-${randomName(8)}`);
  await platform.ask('POST', `/tenants/${suspended.id}/suspend`);
  await platform.ask('DELETE', `/tenants/${erased.id}`);
  await setFaults([]);
  await until('it is made', async () => (await made.owner.ask<Tenant>('GET', `/tenants/${made.id}`)).status === 'active', 60_000);
  await until(
    'it is erased',
    async () => (await platform.ask<Erasure>('GET', `/tenants/${erased.id}/erasure`)).status === 'erased',
    60_000,
  );
  const database = databaseOf();
  await until('its queues are closed', async () => {
    const { resource } = await database.container('control').item('tenant:record', suspended.id).read();
    return resource?.body.queueStatus === 'Disabled';
  });
  await until('the list is empty', async () => {
    const { resource } = await database.container('platform').item('unfinished:tenants', 'unfinished:tenants').read();
    return resource?.body.entries.length === 0;
  });
});

function databaseOf() {
  return new CosmosClient({ ...flowGrid.local.cosmos, connectionPolicy: { enableEndpointDiscovery: false } }).database('flowgrid');
}

test('what is stuck when its host is killed goes on where it was', async () => {
  const stuckAt = { key: [], secret: ['key', 'data-key'], queue: ['key', 'data-key', 'messaging-secret'] };
  const [atKey = '', atSecret = '', atQueue = ''] = Object.keys(stuckAt).map((what) => `t-${what}-${randomName(8)}`);
  const { id: erased } = await newTenant(flowGrid.local);
  await setFaults([
    { service: 'keyVault', match: `/keys/t--${atKey}`, rate: 1, effect: '500' },
    { service: 'keyVault', match: `/secrets/t--${atSecret}`, rate: 1, effect: '500' },
    { service: 'serviceBus', match: `${atQueue}-orchestrator`, rate: 1, effect: '500' },
    { service: 'serviceBus', match: `DELETE.*${erased}`, rate: 1, effect: '500' },
  ]);
  const made = await Promise.all([atKey, atSecret, atQueue].map(make));
  await platform.ask('DELETE', `/tenants/${erased}`);
  const stepsOf = () => Promise.all(made.map(async ({ id, owner }) => stepsDone(await owner.ask<Tenant>('GET', `/tenants/${id}`))));
  const deleted = async () => (await erasureOf(erased)).deleted.map(({ what }) => what);
  const stuck = [...Object.values(stuckAt), ['key', 'secrets']];
  const where = async () => [...(await stepsOf()), await deleted()];
  await until('all are stuck', async () => JSON.stringify(await where()) === JSON.stringify(stuck), 20_000);
  const before = await erasureOf(erased);
  await killHost();
  expect(await where()).toEqual(stuck);
  await setFaults([]);
  for (const { id, owner } of made) {
    await until(`${id} is active`, async () => (await owner.ask<Tenant>('GET', `/tenants/${id}`)).status === 'active', 60_000);
    await owner.ask('POST', `/tenants/${id}/integrations/notion/credentials`, {
      accessToken: `${flowGrid.local.upstreams.rest.token}.${id}`,
    });
    const who = await owner.ask<Who>('POST', '/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} });
    expect(who.bot.workspace_name).toBe(id);
  }
  await until('it is erased', async () => (await erasureOf(erased)).status === 'erased', 60_000);
  expect((await erasureOf(erased)).deleted.slice(0, 2)).toEqual(before.deleted);
});

test('an erasure is certified when nobody can undo it', async () => {
  const { id } = await newTenant(flowGrid.local);
  await platform.ask('DELETE', `/tenants/${id}`);
  const record = () => erasureOf(id);
  await until('it is erased', async () => (await record()).status === 'erased');
  const erased = await record();
  expect(erased.certificate).toBeUndefined();

  // 90 days later.
  const platformContainer = databaseOf().container('platform');
  const item = platformContainer.item(`erasure:${id}`, `erasure:${id}`);
  const { resource } = await item.read();
  const past = '2020-01-01T00:00:00.000Z';
  await item.replace({ ...resource, body: { ...resource.body, keyRecoverableUntil: past, backupsUntil: past } });
  await platform.ask('DELETE', `/tenants/${id}`);
  await until('it is certified', async () => (await record()).certificate !== undefined, 20_000);
  const { certificate = '' } = await record();
  const header = JSON.parse(Buffer.from(certificate.split('.')[0] ?? '', 'base64url').toString());
  const { payload } = await compactVerify(certificate, await importJWK(header.jwk, 'ES256'), { algorithms: ['ES256'] });
  expect(createPublicKey({ key: header.jwk, format: 'jwk' }).asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(header).toMatchObject({ alg: 'ES256', typ: 'flowgrid-erasure+jwt', kid: expect.any(String) });
  expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({
    sub: id,
    deleted: erased.deleted,
    keyRecoverableUntil: past,
    backupsUntil: past,
  });
  await platform.ask('DELETE', `/tenants/${id}`);
  expect((await record()).certificate).toBe(certificate);
});
