import { afterAll, describe, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
afterAll(() => target.stop());

describe('an item', () => {
  it('is created with system properties and read back as it is', async () => {
    const item = {
      id: 'whole',
      tenantId: 't',
      text: 'Grüße, 🌍 "quoted"\n',
      list: [1, null, { a: false }],
      nested: { '': 0, 'a.b': 1.5e-7 },
    };
    const created = await container.items.create(item);
    expect(created.statusCode).toBe(201);
    expect(created.resource).toMatchObject(item);
    expect(created.etag).toBe(created.resource?._etag);
    expect(Math.abs((created.resource?._ts ?? 0) - Date.now() / 1000)).toBeLessThan(120);
    const read = await container.item('whole', 't').read();
    expect(read.resource).toEqual(created.resource);
    expect(read.etag).toBe(created.etag);
    for (const name of ['_rid', '_self', '_attachments']) expect(read.resource?.[name]).toBeTruthy();
  });

  it('cannot set its system properties', async () => {
    const { resource } = await container.items.create({ id: 'forger', tenantId: 't', _ts: 5, _etag: 'mine', _rid: 'mine', _own: 'kept' });
    expect(resource).toMatchObject({ _own: 'kept' });
    expect(resource?._etag).not.toBe('mine');
    expect(resource?._ts).not.toBe(5);
    expect(resource?._rid).not.toBe('mine');
  });

  it('may have properties with the names of what objects inherit', async () => {
    const item = JSON.parse('{"id":"proto","tenantId":"t","__proto__":{"polluted":true},"constructor":1}');
    await container.items.create(item);
    const { resource } = await container.item('proto', 't').read();
    expect(JSON.stringify(resource)).toContain('"__proto__":{"polluted":true},"constructor":1');
    const { resources } = await container.items
      .query('SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.toString)', { partitionKey: 't' })
      .fetchAll();
    expect(resources).toEqual([]);
  });

  it('is created once, and its id is free in another partition', async () => {
    await container.items.create({ id: 'once', tenantId: 't' });
    expect(await refusalOf(container.items.create({ id: 'once', tenantId: 't' }))).toMatchObject({ code: 409 });
    expect((await container.items.create({ id: 'once', tenantId: 'u' })).statusCode).toBe(201);
  });

  it('is upserted: 201, then 200 with another etag', async () => {
    const first = await container.items.upsert({ id: 'up', tenantId: 't', n: 1 });
    const second = await container.items.upsert({ id: 'up', tenantId: 't', n: 2 });
    expect([first.statusCode, second.statusCode]).toEqual([201, 200]);
    expect(second.etag).not.toBe(first.etag);
    expect((await container.item('up', 't').read()).resource?.n).toBe(2);
  });

  it('is missing with 404', async () => {
    expect((await container.item('nowhere', 't').read()).statusCode).toBe(404);
    expect(await refusalOf(container.item('nowhere', 't').replace({ id: 'nowhere', tenantId: 't' }))).toMatchObject({ code: 404 });
    expect(await refusalOf(container.item('nowhere', 't').delete())).toMatchObject({ code: 404 });
  });

  it('is deleted with 204 and then gone', async () => {
    await container.items.create({ id: 'gone', tenantId: 't' });
    expect((await container.item('gone', 't').delete()).statusCode).toBe(204);
    expect((await container.item('gone', 't').read()).statusCode).toBe(404);
  });
});

describe('conditions', () => {
  it('lose a race with 412 and win it with the current etag', async () => {
    const { etag } = await container.items.create({ id: 'race', tenantId: 't', n: 0 });
    const item = container.item('race', 't');
    const match = (condition: string) => ({ accessCondition: { type: 'IfMatch', condition } });
    const won = await item.replace({ id: 'race', tenantId: 't', n: 1 }, match(etag));
    expect(await refusalOf(item.replace({ id: 'race', tenantId: 't', n: 2 }, match(etag)))).toMatchObject({ code: 412 });
    expect(await refusalOf(item.delete(match(etag)))).toMatchObject({ code: 412 });
    expect(await refusalOf(item.patch([{ op: 'incr', path: '/n', value: 1 }], match(etag)))).toMatchObject({ code: 412 });
    expect(await refusalOf(container.items.upsert({ id: 'race', tenantId: 't' }, match(etag)))).toMatchObject({ code: 412 });
    expect((await item.read()).resource?.n).toBe(1);
    expect((await item.replace({ id: 'race', tenantId: 't', n: 3 }, match('*'))).statusCode).toBe(200);
    expect(won.etag).not.toBe(etag);
  });

  it('on an upsert are for an item that exists', async () => {
    const options = { accessCondition: { type: 'IfMatch', condition: '"00000000-0000-0000-0000-000000000000"' } };
    expect((await container.items.upsert({ id: 'new', tenantId: 't' }, options)).statusCode).toBe(201);
  });

  it('answer 304 when a reader has the current version', async () => {
    const { etag } = await container.items.create({ id: 'cached', tenantId: 't' });
    const read = (condition: string) => container.item('cached', 't').read({ accessCondition: { type: 'IfNoneMatch', condition } });
    expect((await read(etag)).statusCode).toBe(304);
    expect((await read('"other"')).statusCode).toBe(200);
  });

  it.runIf(isTwin)('of other kinds are refused', async () => {
    const options = { accessCondition: { type: 'IfNoneMatch', condition: '*' } };
    expect(await refusalOf(container.items.upsert({ id: 'x', tenantId: 't' }, options))).toMatchObject({
      code: 501,
      message: expect.stringMatching(/If-None-Match/),
    });
  });
});

describe('limits', () => {
  it('keep ids to 1,023 bytes', async () => {
    const longest = `${'ä'.repeat(511)}x`;
    await container.items.create({ id: longest, tenantId: 't' });
    expect((await container.item(longest, 't').read()).resource?.id).toBe(longest);
    expect(await refusalOf(container.items.create({ id: `${longest}x`, tenantId: 't' }))).toMatchObject({ code: 400 });
  });

  it('keep items to 2 MB', async () => {
    const big = { id: 'big', tenantId: 't', text: 'x'.repeat(2 * 1024 * 1024 - 1_000) };
    expect((await container.items.create(big)).statusCode).toBe(201);
    expect(await refusalOf(container.items.upsert({ ...big, more: 'x'.repeat(1_000) }))).toMatchObject({ code: 413 });
    const grown = container.item('big', 't').patch([{ op: 'add', path: '/more', value: 'x'.repeat(1_000) }]);
    expect(await refusalOf(grown)).toMatchObject({ code: 413 });
  });

  it.runIf(isTwin)('keep items to 128 levels, and ids free of what paths are made of', async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 128; i++) deep = [deep];
    expect(await refusalOf(container.items.create({ id: 'deep', tenantId: 't', deep }))).toMatchObject({
      code: 400,
      message: expect.stringMatching(/128 levels/),
    });
    expect(await refusalOf(container.items.create({ id: 'a?b', tenantId: 't' }))).toMatchObject({ code: 400 });
  });

  it('make charges grow with size', async () => {
    const small = await container.items.create({ id: 'small', tenantId: 't' });
    const large = await container.items.create({ id: 'large', tenantId: 't', text: 'x'.repeat(50_000) });
    expect(small.requestCharge).toBeGreaterThan(0);
    expect(large.requestCharge).toBeGreaterThan(2 * small.requestCharge);
    const reads = await Promise.all(['small', 'large'].map((id) => container.item(id, 't').read()));
    expect(reads[1]?.requestCharge).toBeGreaterThan(reads[0]?.requestCharge ?? 0);
    expect(reads[0]?.headers['x-ms-session-token']).toMatch(/^0:-?\d+#\d+/);
    expect(reads[0]?.activityId).toBeTruthy();
  });
});

describe('partition keys', () => {
  it('tell a missing value from null and from text', async () => {
    await container.items.create({ id: 'none', which: 'missing' });
    await container.items.create({ id: 'none', tenantId: null, which: 'null' });
    await container.items.create({ id: 'none', tenantId: 'null', which: 'text' });
    // The SDK's types leave out null, which the service has.
    const read = async (key: string | null | undefined) => (await container.item('none', key as string).read()).resource?.which;
    expect([await read(undefined), await read(null), await read('null')]).toEqual(['missing', 'null', 'text']);
  });

  it.each([true, 0, -1.5, 'ö 🌍 "\\,]', ''])('may be %j', async (tenantId) => {
    await container.items.create({ id: 'typed', tenantId });
    expect((await container.item('typed', tenantId).read()).resource?.tenantId).toBe(tenantId);
    expect((await container.item('typed', `${tenantId}x`).read()).statusCode).toBe(404);
  });

  it('must be the same in the item and in the request', async () => {
    await container.items.create({ id: 'mover', tenantId: 'from' });
    const moved = container.item('mover', 'from').replace({ id: 'mover', tenantId: 'to' });
    expect(await refusalOf(moved)).toMatchObject({ code: 400, substatus: 1001 });
    expect(await refusalOf(container.item('mover', ['from', 'extra']).delete())).toMatchObject({ code: 400 });
  });

  it('may lie deeper in the item', async () => {
    const nested = await target.container({ partitionKey: { paths: ['/owner/tenant'] } });
    await nested.items.create({ id: 'a', owner: { tenant: 't' } });
    expect((await nested.item('a', 't').read()).resource?.owner).toEqual({ tenant: 't' });
    if (isTwin) expect(await refusalOf(nested.items.create({ id: 'b', owner: { tenant: ['t'] } }))).toMatchObject({ code: 400 });
  });

  it('may have several levels, all of them needed for one item', async () => {
    // The SDK's enums are values of its own package's types.
    const levels = await target.container({ partitionKey: { paths: ['/a', '/b', '/c'], kind: 'MultiHash', version: 2 } as never });
    await levels.items.create({ id: 'x', a: 'A', b: 2, c: true });
    expect((await levels.item('x', ['A', 2, true]).read()).resource?.b).toBe(2);
    expect((await levels.item('x', ['A', 2, false]).read()).statusCode).toBe(404);
    expect(await refusalOf(levels.item('x', ['A', 2]).delete())).toMatchObject({ code: 400 });
  });
});
