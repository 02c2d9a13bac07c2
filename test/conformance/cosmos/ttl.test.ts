import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationInput } from '@azure/cosmos';
import { afterAll, expect, it, vi } from 'vitest';
import { Expiry } from '../../../local/cosmos/expiry.ts';
import { itemsSchema } from '../../../local/cosmos/items.ts';
import { Database } from '../../../local/database.ts';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
afterAll(() => target.stop());

const soon = { timeout: 10_000, interval: 50 };

it.concurrent('ends items by their own ttl, and by that of the container', async () => {
  const [own, common] = await Promise.all([target.container({ defaultTtl: -1 }), target.container({ defaultTtl: 2 })]);
  const off = await target.container();
  await Promise.all([
    own.items.create({ id: 'short', tenantId: 't', ttl: 2 }),
    own.items.create({ id: 'endless', tenantId: 't' }),
    common.items.create({ id: 'short', tenantId: 't' }),
    common.items.create({ id: 'longer', tenantId: 't', ttl: 1_000 }),
    common.items.create({ id: 'endless', tenantId: 't', ttl: -1 }),
    off.items.create({ id: 'endless', tenantId: 't', ttl: 2 }),
  ]);
  const codes = () => Promise.all([own, common].map(async (container) => (await container.item('short', 't').read()).statusCode));
  expect(await codes()).toEqual([200, 200]);
  await vi.waitFor(async () => expect(await codes()).toEqual([404, 404]), soon);
  const left = async (container: typeof own) =>
    (await container.items.query('SELECT VALUE c.id FROM c', { partitionKey: 't' }).fetchAll()).resources;
  expect(await left(own)).toEqual(['endless']);
  expect(await left(common)).toEqual(expect.arrayContaining(['longer', 'endless']));
  expect(await left(common)).toHaveLength(2);
  expect(await left(off)).toEqual(['endless']);

  expect(await refusalOf(own.item('short', 't').delete())).toMatchObject({ code: 404 });
  expect(await refusalOf(own.item('short', 't').replace({ id: 'short', tenantId: 't' }))).toMatchObject({ code: 404 });
  expect((await own.items.create({ id: 'short', tenantId: 't', again: true })).statusCode).toBe(201);
});

it.concurrent('hides items at once, however many end together', async () => {
  const container = await target.container({ defaultTtl: 2 });
  const create = (id: string): OperationInput => ({ operationType: 'Create', resourceBody: { id, tenantId: 't' } });
  for (let batch = 0; batch < 16; batch++) {
    const { code } = await container.items.batch(
      Array.from({ length: 100 }, (_, i) => create(`${batch}-${i}`)),
      't',
    );
    expect(code).toBe(200);
  }
  await container.items.create({ id: 'last', tenantId: 't' });
  const count = async () => (await container.items.query('SELECT VALUE COUNT(1) FROM c', { partitionKey: 't' }).fetchAll()).resources[0];
  const read = async () => (await container.item('last', 't').read()).statusCode;
  await Promise.all([
    vi.waitFor(async () => expect(await count()).toBe(0), soon).then(async () => expect(await read()).toBe(404)),
    vi.waitFor(async () => expect(await read()).toBe(404), soon).then(async () => expect(await count()).toBe(0)),
  ]);
});

it.concurrent('begins anew with every write', async () => {
  const container = await target.container({ defaultTtl: 2 });
  await container.items.create({ id: 'renewed', tenantId: 't' });
  await container.items.create({ id: 'left', tenantId: 't' });
  const gone = async () => {
    await container.items.upsert({ id: 'renewed', tenantId: 't' });
    expect((await container.item('left', 't').read()).statusCode).toBe(404);
  };
  await vi.waitFor(gone, soon);
  expect((await container.item('renewed', 't').read()).statusCode).toBe(200);
});

it.each([0, -2, 1.5, '5', null, 2_147_483_648])('takes no ttl of %j', async (ttl) => {
  const container = await target.container({ defaultTtl: -1 });
  // The SDK's types allow numbers only.
  expect(await refusalOf(container.items.create({ id: 'x', tenantId: 't', ttl: ttl as number }))).toMatchObject({ code: 400 });
});

it.runIf(isTwin).concurrent('gives the space back, some items at a time', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-cosmos-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const database = new Database(join(folder, 'items.db'), itemsSchema, false);
  await database.write(() => {
    const insert = database.sql("INSERT INTO items (container, partition, id, etag, expires, body) VALUES (1, '[]', ?, '', ?, '{}')");
    for (let i = 0; i < 700; i++) insert.run(String(i), 1);
    insert.run('later', 4_000_000_000);
    insert.run('never', null);
  });
  const expiry = new Expiry(database);
  const left = () =>
    database
      .sql('SELECT id FROM items ORDER BY id')
      .all()
      .map((row) => row['id']);
  await vi.waitFor(() => expect(left()).toEqual(['later', 'never']), soon);
  expiry.stop();
  database.close();
});
