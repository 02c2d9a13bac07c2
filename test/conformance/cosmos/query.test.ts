import type { JSONValue } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container({
  indexingPolicy: {
    includedPaths: [{ path: '/*' }],
    excludedPaths: [{ path: '/unindexed/*' }],
    compositeIndexes: [
      [
        { path: '/kind', order: 'ascending' },
        { path: '/n', order: 'descending' },
      ],
    ],
  },
});
afterAll(() => target.stop());

const items = [
  { id: '1', kind: 'a', n: 1, name: 'Alpha', tags: ['x', 'y'], nested: { deep: [{ v: 10 }] }, on: true },
  { id: '2', kind: 'b', n: 2, name: 'beta', tags: [], nested: { deep: [{ v: 20 }] }, on: false },
  { id: '3', kind: 'a', n: 3, name: 'ALPHABET', tags: [{ k: 'key', v: 1, more: true }], gone: null },
  { id: '4', kind: 'b', n: 4.5, name: "it's", 'odd name': 1, order: 2, unindexed: 1 },
  { id: '5', kind: 5, n: '4', name: 'back\\slash' },
];

beforeAll(async () => {
  for (const item of items) await container.items.create({ tenantId: 't', ...item });
  await container.items.create({ id: '1', tenantId: 'other', kind: 'a', n: 1, name: 'Alpha' });
});

type Values = Readonly<Record<string, JSONValue>>;

async function query(text: string, values: Values = {}): Promise<unknown[]> {
  const parameters = Object.entries(values).map(([name, value]) => ({ name: `@${name}`, value }));
  return (await container.items.query({ query: text, parameters }, { partitionKey: 't' }).fetchAll()).resources;
}

const ids = (condition: string, values?: Values) => query(`SELECT VALUE c.id FROM c WHERE ${condition}`, values);

describe('conditions', () => {
  it.each<[string, string[], Values?]>([
    ['c.id = "3"', ['3']],
    ["c.name = 'it\\'s'", ['4']],
    ['c.name = @name', ['5'], { name: 'back\\slash' }],
    ['c.kind = "a"', ['1', '3']],
    ['"a" = c.kind', ['1', '3']],
    ['c.kind != "a"', ['2', '4']],
    ['c.kind <> "a"', ['2', '4']],
    ['c.n > 1', ['2', '3', '4']],
    ['1 < c.n', ['2', '3', '4']],
    ['c.n >= @low AND c.n <= @high', ['2', '3'], { low: 2, high: 3 }],
    ['c.n = 4.5', ['4']],
    ['c.n = -1', []],
    ['c.n BETWEEN 2 AND 3', ['2', '3']],
    ['c.n NOT BETWEEN 2 AND 3', ['1', '4']],
    ['c.n IN (1, 4.5, "4")', ['1', '4', '5']],
    ['c.kind NOT IN ("a", "c")', ['2', '4']],
    ['c.on = true', ['1']],
    ['c.on', ['1']],
    ['NOT c.on', ['2']],
    ['NOT (c.on = true)', ['2']],
    ['c.gone = null', ['3']],
    ['c.missing = null', []],
    ['NOT (c.missing = 1)', []],
    ['c.missing = 1 OR c.n = 1', ['1']],
    ['c.n = 1 OR c.missing', ['1']],
    ['c.kind = "b" AND (c.n = 2 OR c.n = 3)', ['2']],
    ['c.kind = "b" OR c.kind = "a" AND c.n = 1', ['1', '2', '4']],
    ['c.nested.deep[0].v = 20', ['2']],
    ['c["nested"]["deep"][0]["v"] > 5', ['1', '2']],
    ['c["odd name"] = 1', ['4']],
    ['c["order"] = 2', ['4']],
    ['c.tags[1] = "y"', ['1']],
    ['c.nested.deep = @deep', ['1'], { deep: [{ v: 10 }] }],
    ['c.nested = @nested', ['2'], { nested: { deep: [{ v: 20 }] } }],
    ['IS_DEFINED(c.gone)', ['3']],
    ['NOT IS_DEFINED(c.tags) AND c.n > 0', ['4']],
    ['IS_NULL(c.gone)', ['3']],
    ['STARTSWITH(c.name, "Alpha")', ['1']],
    ['STARTSWITH(c.name, "alpha", true)', ['1', '3']],
    ['ENDSWITH(c.name, "ta")', ['2']],
    ['CONTAINS(c.name, "lph")', ['1']],
    ['CONTAINS(c.name, "LPH", true)', ['1', '3']],
    ['CONTAINS(c.n, "4")', ['5']],
    ['CONTAINS("some text", "text") AND c.n < 2', ['1']],
    ['ARRAY_CONTAINS(c.tags, "x")', ['1']],
    ['ARRAY_CONTAINS(c.tags, @part)', [], { part: { k: 'key' } }],
    ['ARRAY_CONTAINS(c.tags, @part, true)', ['3'], { part: { k: 'key', v: 1 } }],
    ['ARRAY_CONTAINS(c.tags, @part, true)', [], { part: { k: 'key', v: 2 } }],
    ['ARRAY_CONTAINS(@kinds, c.kind)', ['2', '4', '5'], { kinds: ['b', 5] }],
    ['c.tenantId = "other"', []],
  ])('%s', async (condition, expected, values) => {
    expect(await ids(condition, values)).toEqual(expected);
  });
});

describe('what is selected', () => {
  it('may be whole items', async () => {
    const stars = await query('SELECT * FROM c WHERE c.id = "1"');
    expect(stars).toEqual([expect.objectContaining(items[0])]);
    expect(await query('SELECT VALUE c FROM c WHERE c.id = "1"')).toEqual(stars);
    expect(await query('SELECT * FROM root WHERE root.id = "1"')).toEqual(stars);
    expect(await query('select * from root r where r.id = "1"')).toEqual(stars);
  });

  it('may be columns, without those that are not there', async () => {
    expect(await query('SELECT c.id, c.nested.deep[0].v AS first, c["gone"], c.n num FROM c WHERE c.n < 4')).toEqual([
      { id: '1', first: 10, num: 1 },
      { id: '2', first: 20, num: 2 },
      { id: '3', gone: null, num: 3 },
    ]);
    expect(await query('SELECT c.missing FROM c WHERE c.id = "1"')).toEqual([{}]);
  });

  it('may be values, without those that are not there', async () => {
    expect(await query('SELECT VALUE c.on FROM c')).toEqual([true, false]);
    expect(await query('SELECT VALUE c.gone FROM c')).toEqual([null]);
  });

  it('may be an aggregate', async () => {
    expect(await query('SELECT VALUE COUNT(1) FROM c')).toEqual([5]);
    expect(await query('SELECT VALUE COUNT(c.on) FROM c')).toEqual([2]);
    expect(await query('SELECT VALUE COUNT(1) FROM c WHERE c.n > 100')).toEqual([0]);
    expect(await query('SELECT VALUE SUM(c.n) FROM c WHERE c.n > 1')).toEqual([9.5]);
    expect(await query('SELECT VALUE AVG(c.n) FROM c WHERE c.kind = "a"')).toEqual([2]);
    expect(await query('SELECT VALUE MIN(c.n) FROM c WHERE c.kind = "b"')).toEqual([2]);
    expect(await query('SELECT VALUE MAX(c.name) FROM c WHERE c.kind = "a"')).toEqual(['Alpha']);
    expect(await query('SELECT VALUE SUM(c.name) FROM c')).toEqual([]);
  });
});

describe('order', () => {
  const inOrder = (clause: string) => query(`SELECT VALUE c.id FROM c ${clause}`);

  it('is by type and then by value', async () => {
    expect(await inOrder('ORDER BY c.n')).toEqual(['1', '2', '3', '4', '5']);
    expect(await inOrder('ORDER BY c.n DESC')).toEqual(['5', '4', '3', '2', '1']);
    expect(await inOrder('WHERE IS_DEFINED(c.on) ORDER BY c.on ASC')).toEqual(['2', '1']);
    expect(await inOrder('WHERE c.n < 100 ORDER BY c.name')).toEqual(['3', '1', '2', '4']);
  });

  it.runIf(isTwin)('puts items without the property first', async () => {
    expect(await inOrder('ORDER BY c["order"]')).toEqual(['1', '2', '3', '5', '4']);
    expect(await inOrder('ORDER BY c["order"] DESC')).toEqual(['4', '1', '2', '3', '5']);
  });

  it('by several properties is served by a composite index, in its order or in the opposite one', async () => {
    expect(await inOrder('WHERE c.n < 100 ORDER BY c.kind ASC, c.n DESC')).toEqual(['3', '1', '4', '2']);
    expect(await inOrder('WHERE c.n < 100 ORDER BY c.kind DESC, c.n ASC')).toEqual(['2', '4', '1', '3']);
    for (const clause of ['c.kind, c.n', 'c.n DESC, c.kind', 'c.kind, c.n DESC, c.id', 'c.kind, c.name']) {
      expect(await refusalOf(inOrder(`ORDER BY ${clause}`))).toMatchObject({
        code: 400,
        message: expect.stringContaining('composite index'),
      });
    }
  });

  it('needs an index', async () => {
    expect(await refusalOf(inOrder('ORDER BY c.unindexed.n'))).toMatchObject({
      code: 400,
      message: expect.stringContaining('order-by item is excluded'),
    });
    const bare = await target.container({ indexingPolicy: { includedPaths: [{ path: '/a/b/?' }], excludedPaths: [{ path: '/*' }] } });
    const sorted = (path: string) => bare.items.query(`SELECT * FROM c ORDER BY c.${path}`, { partitionKey: 't' }).fetchAll();
    expect((await sorted('a.b')).resources).toEqual([]);
    expect((await sorted('_ts')).resources).toEqual([]);
    expect(await refusalOf(sorted('a'))).toMatchObject({ code: 400 });
    expect(await refusalOf(sorted('a.b.c'))).toMatchObject({ code: 400 });
  });

  it('may be cut', async () => {
    expect(await inOrder('ORDER BY c.n OFFSET 1 LIMIT 2')).toEqual(['2', '3']);
    expect(await inOrder('OFFSET 4 LIMIT 10')).toEqual(['5']);
    expect(await inOrder('OFFSET 9 LIMIT 10')).toEqual([]);
    expect(await query('SELECT TOP 2 VALUE c.id FROM c ORDER BY c.n DESC')).toEqual(['5', '4']);
    expect(await query('SELECT TOP @n VALUE c.id FROM c', { n: 3 })).toEqual(['1', '2', '3']);
    expect(await query('SELECT TOP 0 * FROM c')).toEqual([]);
  });
});

describe('errors', () => {
  it.each([
    'SELECT',
    'SELECT * FROM',
    'SELECT * FROM c WHERE',
    'SELECT * FROM c WHERE c.a = ',
    'SELECT * FROM c WHERE (c.a = 1',
    "SELECT * FROM c WHERE c.a = 'open",
    'SELECT * FROM c WHERE c.order = 1',
    'FROM c',
    'SELECT * FROM c x y',
  ])('are told of %s', async (text) => {
    expect(await refusalOf(query(text))).toMatchObject({ code: 400, message: expect.stringContaining('SC1001') });
  });

  it.each(['SELECT * FROM c WHERE x.a = 1', 'SELECT * FROM c WHERE c.a = @none', 'SELECT TOP -1 * FROM c', 'SELECT * FROM c ORDER BY 1'])(
    'are told of %s',
    async (text) => {
      expect(await refusalOf(query(text))).toMatchObject({ code: 400 });
    },
  );

  it('are told of a query too deeply nested to be parsed', async () => {
    expect(await refusalOf(ids(`${'('.repeat(50_000)}true${')'.repeat(50_000)}`))).toMatchObject({ code: 400 });
  });

  it.runIf(isTwin).each([
    ['SELECT DISTINCT c.kind FROM c', /DISTINCT/],
    ['SELECT * FROM c JOIN t IN c.tags', /JOIN/],
    ['SELECT VALUE t FROM t IN c.tags', /IN/],
    ['SELECT * FROM c.tags', /FROM/],
    ['SELECT c.kind FROM c GROUP BY c.kind', /GROUP/],
    ['SELECT * FROM c WHERE EXISTS(SELECT 1)', /EXISTS/],
    ['SELECT * FROM c WHERE c.name LIKE "a%"', /LIKE/],
    ['SELECT * FROM c WHERE c.n + 1 = 2', /the operator \+/],
    ['SELECT * FROM c WHERE c.n - 1 = 2', /the operator -/],
    ['SELECT c.name || "x" FROM c', /the operator \|\|/],
    ['SELECT c.on ? 1 : 2 FROM c', /the operator \?/],
    ['SELECT * FROM c WHERE LOWER(c.name) = "a"', /the function LOWER/],
    ['SELECT * FROM c WHERE udf.mine(c)', /user-defined/],
    ['SELECT COUNT(1) FROM c', /COUNT/],
    ['SELECT VALUE COUNT(1) FROM c ORDER BY c.n', /aggregate/],
    ['SELECT VALUE {"a": c.n} FROM c', /braces/],
    ['SELECT * FROM c WHERE NOT c.n = 1', /NOT before/],
    ['SELECT * FROM c WHERE c[c.kind] = 1', /index/],
  ])('name what is not modelled: %s', async (text, feature) => {
    expect(await refusalOf(query(text))).toMatchObject({ code: 400, message: expect.stringMatching(feature) });
  });

  it.runIf(isTwin)('name the missing partition key', async () => {
    const refused = { code: 400, message: expect.stringContaining('no partition key') };
    expect(await refusalOf(container.items.query('SELECT * FROM c').fetchAll())).toMatchObject(refused);
    expect(await refusalOf(container.items.query('SELECT * FROM c', { forceQueryPlan: true }).fetchAll())).toMatchObject(refused);
    expect(await refusalOf(container.items.readAll().fetchAll())).toMatchObject(refused);
  });

  it.runIf(isTwin)('name an order that the twin cannot tell', async () => {
    expect(await refusalOf(query('SELECT * FROM c ORDER BY c.tags'))).toMatchObject({
      code: 400,
      message: expect.stringContaining('an array'),
    });
  });
});
