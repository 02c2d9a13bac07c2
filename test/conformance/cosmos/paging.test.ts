import { afterAll, describe, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
afterAll(() => target.stop());

interface Item {
  readonly id: string;
  readonly n: number;
}

async function fill(tenantId: string, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => container.items.create({ id: `${i}`, tenantId, n: (i * 7) % count })));
}

const queries = (tenantId: string, text: string, maxItemCount: number, continuationToken?: string) =>
  container.items.query<Item>(text, { partitionKey: tenantId, maxItemCount, ...(continuationToken && { continuationToken }) });

async function pages(tenantId: string, text: string, size: number): Promise<Item[][]> {
  const all: Item[][] = [];
  for await (const { resources } of queries(tenantId, text, size).getAsyncIterator()) if (resources.length > 0) all.push(resources);
  return all;
}

describe('pages', () => {
  it.each(['SELECT * FROM c', 'SELECT * FROM c ORDER BY c.n', 'SELECT * FROM c ORDER BY c.n DESC', 'SELECT * FROM c WHERE c.n >= 0'])(
    'of %s hold every item once',
    async (text) => {
      const tenantId = `all ${text}`;
      await fill(tenantId, 25);
      const found = await pages(tenantId, text, 10);
      expect(found.map((page) => page.length)).toEqual([10, 10, 5]);
      const numbers = found.flat().map(({ n }) => n);
      expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => i));
      if (text.includes('ORDER')) expect(numbers).toEqual(numbers.toSorted((a, b) => (text.includes('DESC') ? b - a : a - b)));
    },
  );

  it('end with TOP and LIMIT, not before and not after', async () => {
    await fill('cut', 25);
    const lengths = async (text: string) => (await pages('cut', text, 10)).map((page) => page.length);
    expect(await lengths('SELECT TOP 15 * FROM c')).toEqual([10, 5]);
    expect(await lengths('SELECT TOP 10 * FROM c ORDER BY c.n')).toEqual([10]);
    expect(await lengths('SELECT * FROM c ORDER BY c.n OFFSET 3 LIMIT 12')).toEqual([10, 2]);
    expect((await pages('cut', 'SELECT * FROM c ORDER BY c.n OFFSET 3 LIMIT 12', 5)).flat().map(({ n }) => n)).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 3),
    );
  });

  it('do not repeat or leave out an item while others come and go', async () => {
    await fill('moving', 20);
    const order = 'SELECT * FROM c ORDER BY c.n';
    const first = await queries('moving', order, 10).fetchNext();
    expect(first.resources.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const byNumber = (n: number) => first.resources.find((item) => item.n === n)?.id ?? '';
    await container.item(byNumber(9), 'moving').delete(); // the one the token stands on
    await container.item(byNumber(2), 'moving').delete();
    await container.items.create({ id: 'before', tenantId: 'moving', n: 3.5 });
    await container.items.create({ id: 'after', tenantId: 'moving', n: 10.5 });
    const second = await queries('moving', order, 100, first.continuationToken).fetchNext();
    expect(second.resources.map(({ n }) => n)).toEqual([10, 10.5, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('hold at most 4 MB', async () => {
    await Promise.all([0, 1, 2].map((i) => container.items.create({ id: `${i}`, tenantId: 'big', n: i, text: 'x'.repeat(1_900_000) })));
    const found = await pages('big', 'SELECT * FROM c ORDER BY c.n', 100);
    expect(found.map((page) => page.map(({ n }) => n))).toEqual([[0, 1], [2]]);
  });

  it.runIf(isTwin)('refuse a token that is not theirs', async () => {
    await fill('tokens', 5);
    const { continuationToken } = await queries('tokens', 'SELECT * FROM c ORDER BY c.n', 2).fetchNext();
    for (const token of ['nonsense', `${continuationToken}`]) {
      expect(await refusalOf(queries('tokens', 'SELECT * FROM c', 2, token).fetchNext())).toMatchObject({
        code: 400,
        message: 'Invalid Continuation Token',
      });
    }
  });

  it('have small tokens', async () => {
    const text = 'z'.repeat(900);
    await Promise.all([0, 1, 2].map((i) => container.items.create({ id: `${i}`, tenantId: 'long', text: text + i })));
    const { continuationToken } = await queries('long', 'SELECT * FROM c ORDER BY c.text', 1).fetchNext();
    expect(continuationToken?.length).toBeLessThan(2_048);
    await Promise.all([0, 1, 2].map((i) => container.items.create({ id: `${i}`, tenantId: 'longer', text: text.repeat(2) + i })));
    const longer = queries('longer', 'SELECT * FROM c ORDER BY c.text', 1);
    if (isTwin) expect(await refusalOf(longer.fetchNext())).toMatchObject({ code: 400, message: expect.stringContaining('further page') });
  });
});
