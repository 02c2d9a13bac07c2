import type { PatchOperation, PatchRequestBody } from '@azure/cosmos';
import { afterAll, expect, it } from 'vitest';
import { isTwin, refusalOf, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
afterAll(() => target.stop());

const start = { tenantId: 't', n: 1, text: 'a', list: ['x', 'y', 'z'], nested: { deep: { n: 1 } }, 'a/b~c': 1 };
let count = 0;

async function patched(body: PatchRequestBody): Promise<Record<string, unknown>> {
  const id = `item-${++count}`;
  await container.items.create({ id, ...structuredClone(start) });
  const { resource } = await container.item(id, 't').patch(body);
  expect((await container.item(id, 't').read()).resource).toEqual(resource);
  return resource ?? {};
}

it.each<[string, PatchOperation, object]>([
  ['add sets a property', { op: 'add', path: '/new', value: { a: 1 } }, { new: { a: 1 } }],
  ['add replaces a property', { op: 'add', path: '/text', value: null }, { text: null }],
  ['add inserts into an array', { op: 'add', path: '/list/1', value: 'n' }, { list: ['x', 'n', 'y', 'z'] }],
  ['add appends at the length', { op: 'add', path: '/list/3', value: 'n' }, { list: ['x', 'y', 'z', 'n'] }],
  ['add appends at -', { op: 'add', path: '/list/-', value: 'n' }, { list: ['x', 'y', 'z', 'n'] }],
  ['set creates a property', { op: 'set', path: '/nested/new', value: 2 }, { nested: { deep: { n: 1 }, new: 2 } }],
  ['set replaces an element', { op: 'set', path: '/list/1', value: 'n' }, { list: ['x', 'n', 'z'] }],
  ['replace replaces', { op: 'replace', path: '/text', value: 'b' }, { text: 'b' }],
  ['remove removes an element', { op: 'remove', path: '/list/0' }, { list: ['y', 'z'] }],
  ['incr adds', { op: 'incr', path: '/nested/deep/n', value: -2.5 }, { nested: { deep: { n: -1.5 } } }],
  ['incr creates', { op: 'incr', path: '/counter', value: 7 }, { counter: 7 }],
  ['escapes are those of JSON pointers', { op: 'incr', path: '/a~1b~0c', value: 1 }, { 'a/b~c': 2 }],
])('%s', async (_, operation, expected) => {
  expect(await patched([operation])).toMatchObject(expected);
});

it('removes a property', async () => {
  expect(await patched([{ op: 'remove', path: '/text' }])).not.toHaveProperty('text');
});

it('applies operations in their order, and gives a new etag', async () => {
  const { etag } = await container.items.create({ id: 'order', ...start });
  const { resource } = await container.item('order', 't').patch({
    operations: [
      { op: 'set', path: '/a', value: { n: 1 } },
      { op: 'incr', path: '/a/n', value: 1 },
      { op: 'remove', path: '/n' },
    ],
  });
  expect(resource?.a).toEqual({ n: 2 });
  expect(resource).not.toHaveProperty('n');
  expect(resource?._etag).not.toBe(etag);
});

it.each<[string, PatchOperation]>([
  ['replace where nothing is', { op: 'replace', path: '/nowhere', value: 1 }],
  ['remove where nothing is', { op: 'remove', path: '/nowhere' }],
  ['set below nothing', { op: 'set', path: '/nowhere/below', value: 1 }],
  ['add beyond the end of an array', { op: 'add', path: '/list/9', value: 1 }],
  ['incr of a text', { op: 'incr', path: '/text', value: 1 }],
  ['change of the id', { op: 'set', path: '/id', value: 'other' }],
  ['change of the partition key', { op: 'set', path: '/tenantId', value: 'other' }],
  ['removal of the partition key', { op: 'remove', path: '/tenantId' }],
])('refuses a %s and changes nothing', async (_, operation) => {
  const id = `refused-${++count}`;
  const { resource } = await container.items.create({ id, ...structuredClone(start) });
  const refusal = await refusalOf(container.item(id, 't').patch([{ op: 'set', path: '/touched', value: true }, operation]));
  expect(refusal.code).toBe(400);
  expect((await container.item(id, 't').read()).resource).toEqual(resource);
});

it('refuses more than 10 operations', async () => {
  const operations = Array.from({ length: 11 }, (): PatchOperation => ({ op: 'incr', path: '/n', value: 1 }));
  expect(await patched(operations.slice(1))).toMatchObject({ n: 11 });
  expect(await refusalOf(patched(operations))).toMatchObject({ code: 400 });
});

it('is done only where its condition holds', async () => {
  await container.items.create({ id: 'limited', tenantId: 't', used: 9 });
  const take = () =>
    container.item('limited', 't').patch({ condition: 'from c where c.used < 10', operations: [{ op: 'incr', path: '/used', value: 1 }] });
  expect((await take()).resource?.used).toBe(10);
  expect(await refusalOf(take())).toMatchObject({ code: 412 });
  expect((await container.item('limited', 't').read()).resource?.used).toBe(10);
  const undefinedIsNotTrue = { condition: 'from c where c.missing < 10', operations: [{ op: 'set', path: '/a', value: 1 } as const] };
  expect(await refusalOf(container.item('limited', 't').patch(undefinedIsNotTrue))).toMatchObject({ code: 412 });
});

it('counts every increment of many at once', async () => {
  await container.items.create({ id: 'counter', tenantId: 't' });
  await Promise.all(Array.from({ length: 50 }, () => container.item('counter', 't').patch([{ op: 'incr', path: '/n', value: 1 }])));
  expect((await container.item('counter', 't').read()).resource?.n).toBe(50);
});

it.runIf(isTwin)('refuses by name what is not modelled', async () => {
  const move = [{ op: 'move', from: '/text', path: '/moved' }];
  expect(await refusalOf(patched(move as never))).toMatchObject({ code: 400, message: expect.stringMatching(/not modelled/) });
  expect(await refusalOf(patched({ condition: 'from c where LOWER(c.text) = "a"', operations: [] as never }))).toMatchObject({ code: 400 });
});
