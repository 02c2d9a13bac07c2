import { afterAll, describe, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const { client, database } = target;
afterAll(() => target.stop());

describe('the account', () => {
  it.runIf(isTwin)('has Strong consistency, and one region that is found under the name it was asked by', async () => {
    const { resource } = await client.getDatabaseAccount();
    expect(resource?.consistencyPolicy).toBe('Strong');
    expect(resource?.enableMultipleWritableLocations).toBe(false);
    expect(resource?.writableLocations.map((location) => location.databaseAccountEndpoint)).toEqual([`${target.endpoint}/`]);
    expect(resource?.readableLocations).toEqual(resource?.writableLocations);
  });
});

describe('databases', () => {
  it('are created once, listed, read and deleted with all they hold', async () => {
    const id = `${database.id}-other`;
    expect((await client.databases.createIfNotExists({ id })).statusCode).toBe(201);
    const again = await client.databases.createIfNotExists({ id });
    expect(again.statusCode).toBe(200);
    expect((await refusalOf(client.databases.create({ id }))).code).toBe(409);
    const { resources } = await client.databases.readAll().fetchAll();
    expect(resources.map((entry) => entry.id)).toEqual(expect.arrayContaining([database.id, id]));

    await again.database.containers.create({ id: 'inside', partitionKey: '/id' });
    expect((await again.database.delete()).statusCode).toBe(204);
    expect((await refusalOf(client.database(id).read())).code).toBe(404);
    expect((await refusalOf(client.database(id).container('inside').read())).code).toBe(404);
  });
});

describe('containers', () => {
  it('keep their definition', async () => {
    const definition = {
      id: 'defined',
      partitionKey: { paths: ['/tenantId', '/bucket'], kind: 'MultiHash', version: 2 },
      defaultTtl: -1,
      indexingPolicy: {
        indexingMode: 'consistent',
        automatic: true,
        includedPaths: [{ path: '/kind/?' }],
        excludedPaths: [{ path: '/*' }],
        compositeIndexes: [
          [
            { path: '/kind', order: 'ascending' },
            { path: '/at', order: 'descending' },
          ],
        ],
      },
    } as const;
    // The SDK's types want mutable arrays and its own enums.
    await database.containers.create(structuredClone(definition) as never);
    const { resource } = await database.container('defined').read();
    expect(resource).toMatchObject(definition);
    expect(resource?._rid).toBeTruthy();
    const { resources } = await database.containers.readAll().fetchAll();
    expect(resources.map(({ id }) => id)).toContain('defined');
  });

  it('are created once, and what they held is gone when they are created anew', async () => {
    const body = { id: 'again', partitionKey: '/tenantId' };
    const { container } = await database.containers.createIfNotExists(body);
    await container.items.create({ id: 'a', tenantId: 't' });
    expect((await database.containers.createIfNotExists({ ...body })).statusCode).toBe(200);
    expect((await refusalOf(database.containers.create({ ...body }))).code).toBe(409);
    expect((await container.delete()).statusCode).toBe(204);
    const missing = await refusalOf(container.items.create({ id: 'a', tenantId: 't' }));
    expect(missing.code).toBe(404);
    await database.containers.create({ ...body });
    expect((await container.item('a', 't').read()).statusCode).toBe(404);
  });

  it('take throughput settings when they are made', async () => {
    await expect(database.containers.create({ id: 'manual', partitionKey: '/id', throughput: 400 })).resolves.toMatchObject({
      statusCode: 201,
    });
    await expect(database.containers.create({ id: 'auto', partitionKey: '/id', maxThroughput: 1000 })).resolves.toMatchObject({
      statusCode: 201,
    });
  });

  it('cover the whole key space with their ranges', async () => {
    const container = await target.container();
    const { resources } = await container.readPartitionKeyRanges().fetchAll();
    expect(resources.at(0)?.minInclusive).toBe('');
    expect(resources.at(-1)?.maxExclusive).toBe('FF');
  });

  it.runIf(isTwin)('refuse by name what is not modelled', async () => {
    const create = (more: object) => refusalOf(database.containers.create({ id: 'refused', partitionKey: '/tenantId', ...more }));
    expect(await create({ uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/name'] }] } })).toMatchObject({
      code: 400,
      message: expect.stringMatching(/unique keys/),
    });
    expect(await create({ changeFeedPolicy: {} })).toMatchObject({ code: 400, message: expect.stringMatching(/changeFeedPolicy/) });
    expect(await create({ indexingPolicy: { spatialIndexes: [] } })).toMatchObject({
      code: 400,
      message: expect.stringMatching(/spatialIndexes/),
    });
    expect(await create({ indexingPolicy: { excludedPaths: [{ path: '/a/?' }], includedPaths: [] } })).toMatchObject({
      code: 400,
      message: expect.stringMatching(/mandatory/),
    });
    expect(await create({ partitionKey: { paths: ['/a', '/b'] } })).toMatchObject({
      code: 400,
      message: expect.stringMatching(/MultiHash/),
    });
    expect(await create({ partitionKey: { paths: ['/"odd name"'] } })).toMatchObject({ code: 400 });
    const offer = await refusalOf((await target.container()).readOffer());
    expect(offer).toMatchObject({ code: 501, message: expect.stringMatching(/query over offers/) });
    const query = await refusalOf(client.databases.query('SELECT * FROM r').fetchAll());
    expect(query).toMatchObject({ code: 501, message: expect.stringMatching(/query over dbs/) });
  });

  it.runIf(isTwin)('may be replaced for another indexing policy and nothing else', async () => {
    const container = await target.container();
    const { resource } = await container.read();
    if (!resource) throw new Error('no definition');
    const { resource: replaced } = await container.replace({
      ...resource,
      indexingPolicy: { excludedPaths: [{ path: '/*' }], includedPaths: [] },
    });
    expect(replaced?.indexingPolicy?.excludedPaths).toEqual([{ path: '/*' }]);
    expect(await refusalOf(container.replace({ ...resource, defaultTtl: 5 }))).toMatchObject({
      code: 400,
      message: expect.stringMatching(/indexing policy only/),
    });
  });
});
