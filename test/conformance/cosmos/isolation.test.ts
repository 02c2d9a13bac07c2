// A query never sees another partition's items, whatever the keys look like.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { startTarget } from './target.ts';

const target = await startTarget();
afterAll(() => target.stop());

/** Values whose stored forms might be taken for one another's, or for the beginning of one. */
const keys = [
  'a',
  'a"',
  'a",',
  'a","b',
  'a-',
  'a,',
  'A',
  '"',
  '',
  '\\',
  'ä',
  'a\u0000',
  '[',
  '1',
  'null',
  '{}',
  1,
  1.5,
  10,
  -1,
  true,
  null,
];
type Key = (typeof keys)[number];

it('of a full key', async () => {
  const container = await target.container();
  await Promise.all(keys.map((tenantId, i) => container.items.create({ id: 'same', tenantId, i })));
  for (const [i, key] of keys.entries()) {
    // Null is a key to the service, though not to the SDK's types.
    const { resources } = await container.items.query('SELECT VALUE c.i FROM c', { partitionKey: key as string }).fetchAll();
    expect(resources, JSON.stringify(key)).toEqual([i]);
  }
});

it('of a prefix of a hierarchical key', async () => {
  // The SDK's enums are values of its own package's types.
  const container = await target.container({ partitionKey: { paths: ['/a', '/b'], kind: 'MultiHash', version: 2 } as never });
  const pairs = keys.flatMap((a) => keys.map((b): [Key, Key] => [a, b]));
  await Promise.all(pairs.map(([a, b], i) => container.items.create({ id: 'same', a, b, i })));
  const found = async (key: readonly Key[]) => {
    // Null is a key to the service, though not to the SDK's types.
    const { resources } = await container.items
      .query<number>('SELECT VALUE c.i FROM c', { partitionKey: key as string[], maxItemCount: 1_000 })
      .fetchAll();
    return resources;
  };
  for (const [i, key] of keys.entries()) {
    expect(await found([key]), JSON.stringify(key)).toEqual(keys.map((_, j) => i * keys.length + j));
  }
  expect(await found(['a', 'a"'])).toEqual([1]);
});

it('of any two keys', async () => {
  const container = await target.container();
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(text, text, fc.uuid(), async (one, two, id) => {
      fc.pre(one !== two);
      // On a busy machine the SDK may send it twice.
      await container.items.upsert({ id, tenantId: one, own: true });
      const count = async (key: string) => {
        const query = { query: 'SELECT VALUE COUNT(1) FROM c WHERE c.id = @id', parameters: [{ name: '@id', value: id }] };
        return (await container.items.query<number>(query, { partitionKey: key }).fetchAll()).resources[0];
      };
      expect([await count(one), await count(two)]).toEqual([1, 0]);
      expect((await container.item(id, two).read()).statusCode).toBe(404);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});
