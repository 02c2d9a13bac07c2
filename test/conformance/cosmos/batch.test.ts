import type { OperationInput } from '@azure/cosmos';
import { afterAll, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
afterAll(() => target.stop());

const create = (id: string, more = {}): OperationInput => ({ operationType: 'Create', resourceBody: { id, tenantId: 't', ...more } });
const statuses = (result: readonly { statusCode: number }[] | undefined) => result?.map(({ statusCode }) => statusCode);

it('does all kinds of operations, each seeing those before it', async () => {
  await container.items.create({ id: 'old', tenantId: 't' });
  const response = await container.items.batch(
    [
      create('a', { n: 1 }),
      { operationType: 'Upsert', resourceBody: { id: 'a', tenantId: 't', n: 2 } },
      { operationType: 'Upsert', resourceBody: { id: 'b', tenantId: 't' } },
      {
        operationType: 'Patch',
        id: 'a',
        resourceBody: { operations: [{ op: 'incr', path: '/n', value: 5 }], condition: 'from c where c.n = 2' },
      },
      { operationType: 'Read', id: 'a' },
      { operationType: 'Replace', id: 'b', resourceBody: { id: 'b', tenantId: 't', replaced: true } },
      { operationType: 'Delete', id: 'old' },
    ],
    't',
  );
  expect(response.code).toBe(200);
  expect(statuses(response.result)).toEqual([201, 200, 201, 200, 200, 200, 204]);
  expect(response.result?.[4]?.resourceBody).toMatchObject({ id: 'a', n: 7 });
  expect(response.result?.[5]?.eTag).toBe(response.result?.[5]?.resourceBody?.['_etag']);
  for (const { requestCharge } of response.result ?? []) expect(requestCharge).toBeGreaterThan(0);
  expect((await container.item('a', 't').read()).resource?.n).toBe(7);
  expect((await container.item('old', 't').read()).statusCode).toBe(404);
});

it('does nothing at all when one operation fails: 207, its own status there and 424 elsewhere', async () => {
  const { etag } = await container.items.create({ id: 'kept', tenantId: 't', n: 1 });
  const response = await container.items.batch(
    [
      create('c'),
      { operationType: 'Patch', id: 'kept', resourceBody: [{ op: 'incr', path: '/n', value: 1 }] },
      create('kept'),
      { operationType: 'Delete', id: 'kept' },
    ],
    't',
  );
  expect(response.code).toBe(207);
  expect(statuses(response.result)).toEqual([424, 424, 409, 424]);
  expect((await container.item('c', 't').read()).statusCode).toBe(404);
  expect((await container.item('kept', 't').read()).etag).toBe(etag);
});

it.each<[number, OperationInput]>([
  [404, { operationType: 'Delete', id: 'nowhere' }],
  [404, { operationType: 'Read', id: 'nowhere' }],
  [412, { operationType: 'Replace', id: 'there', ifMatch: '"other"', resourceBody: { id: 'there', tenantId: 't' } }],
  [
    412,
    {
      operationType: 'Patch',
      id: 'there',
      resourceBody: { condition: 'from c where false', operations: [{ op: 'set', path: '/a', value: 1 }] },
    },
  ],
  [400, { operationType: 'Patch', id: 'there', resourceBody: [{ op: 'remove', path: '/nowhere' }] }],
])('keeps the status %i of the operation that failed', async (status, operation) => {
  await container.items.upsert({ id: 'there', tenantId: 't' });
  const response = await container.items.batch([create(`before-${status}`), operation], 't');
  expect(statuses(response.result)).toEqual([424, status]);
  expect((await container.item(`before-${status}`, 't').read()).statusCode).toBe(404);
});

it('takes an etag for an operation', async () => {
  const { etag } = await container.items.create({ id: 'tagged', tenantId: 't' });
  const replace: OperationInput = { operationType: 'Replace', id: 'tagged', ifMatch: etag, resourceBody: { id: 'tagged', tenantId: 't' } };
  expect((await container.items.batch([replace, create('with-tagged')], 't')).code).toBe(200);
  expect(statuses((await container.items.batch([replace], 't')).result)).toEqual([412]);
});

it('is for one partition', async () => {
  const foreign: OperationInput = { operationType: 'Create', resourceBody: { id: 'foreign', tenantId: 'other' } };
  const response = await container.items.batch([create('own'), foreign], 't');
  expect(statuses(response.result)).toEqual([424, 400]);
  expect((await container.item('foreign', 'other').read()).statusCode).toBe(404);
});

it('holds at most 100 operations and 2 MB', async () => {
  const many = Array.from({ length: 100 }, (_, i) => create(`many-${i}`));
  expect((await container.items.batch(many, 't')).code).toBe(200);
  const big = Array.from({ length: 3 }, (_, i) => create(`big-${i}`, { text: 'x'.repeat(800_000) }));
  expect((await container.items.batch(big.slice(1), 't')).code).toBe(200);
  expect(await refusalOf(container.items.batch(big, 't'))).toMatchObject({ code: 413 });
});

it('leaves out the items when asked to', async () => {
  const { code, result } = await container.items.batch([create('quiet')], 't', { contentResponseOnWriteEnabled: false });
  expect(code).toBe(200);
  expect(result?.[0]).not.toHaveProperty('resourceBody');
});

it.runIf(isTwin)('refuses bulk requests, which are not atomic', async () => {
  const [first] = await container.items.executeBulkOperations([
    { operationType: 'Create', partitionKey: 't', resourceBody: { id: 'bulk', tenantId: 't' } },
  ]);
  expect(first?.error?.message ?? '').toMatch(/bulk/i);
  expect((await container.item('bulk', 't').read()).statusCode).toBe(404);
});
