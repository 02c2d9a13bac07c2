// What the SDK hides, or never does, seen on the wire.
import { createHmac } from 'node:crypto';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { isTwin, startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
await container.items.create({ id: 'one', tenantId: 't' });
afterAll(() => target.stop());

const feed = `dbs/${target.database.id}/colls/${container.id}`;
const partition = { 'x-ms-documentdb-partitionkey': '["t"]' };

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: { readonly code?: string; readonly message?: string } & Record<string, unknown>;
}

async function send(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  const { hostname, port } = new URL(target.endpoint);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers }, async (response) => {
      const answer = await text(response);
      resolve({ status: response.statusCode, headers: response.headers, body: answer === '' ? {} : JSON.parse(answer) });
    });
    outgoing.on('error', reject).end(body);
  });
}

function signed(verb: string, type: string, link: string, date = new Date(), key = target.key): Record<string, string> {
  const at = date.toUTCString();
  const payload = `${verb.toLowerCase()}\n${type}\n${link}\n${at.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(payload).digest('base64');
  return { authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`), 'x-ms-date': at };
}

const item = `${feed}/docs/one`;
const readItem = (headers: Record<string, string>) => send('GET', `/${item}`, { ...headers, ...partition });
const post = (headers: Record<string, string>, body: string) =>
  send('POST', `/${feed}/docs`, { ...signed('POST', 'docs', feed), ...headers }, body);

describe.runIf(isTwin)('a signature', () => {
  it('opens the door', async () => {
    expect(await readItem(signed('GET', 'docs', item))).toMatchObject({ status: 200, body: { id: 'one' } });
    const lowerCase = signed('GET', 'docs', item);
    const authorization = lowerCase['authorization']?.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()) ?? '';
    expect((await readItem({ ...lowerCase, authorization })).status).toBe(200);
    expect((await readItem({ ...lowerCase, authorization: decodeURIComponent(authorization) })).status).toBe(200);
  });

  it.each<[string, Record<string, string>]>([
    ['none', {}],
    ['one of another key', signed('GET', 'docs', item, new Date(), Buffer.from('another key').toString('base64'))],
    ['one of another verb', signed('DELETE', 'docs', item)],
    ['one of another item', signed('GET', 'docs', `${feed}/docs/two`)],
    ['one of another type', signed('GET', 'colls', item)],
    ['one of another time', { ...signed('GET', 'docs', item), 'x-ms-date': new Date(Date.now() - 5_000).toUTCString() }],
    ['one without a date', { authorization: signed('GET', 'docs', item)['authorization'] ?? '' }],
    ['half of one', { ...signed('GET', 'docs', item), authorization: (signed('GET', 'docs', item)['authorization'] ?? '').slice(0, -10) }],
    ['no signature at all', { ...signed('GET', 'docs', item), authorization: '%' }],
  ])('is refused with 401: %s', async (_, headers) => {
    expect(await readItem(headers)).toMatchObject({ status: 401, body: { code: 'Unauthorized' } });
  });

  it.each([-16, 16])('is good for 15 minutes: 403 at %i', async (minutes) => {
    const made = signed('GET', 'docs', item, new Date(Date.now() + minutes * 60_000));
    expect(await readItem(made)).toMatchObject({
      status: 403,
      body: { code: 'Forbidden', message: expect.stringContaining('not valid at the current time') },
    });
    const near = signed('GET', 'docs', item, new Date(Date.now() + (minutes * 60_000 * 14) / 16));
    expect((await readItem(near)).status).toBe(200);
  });

  it.each(['type=aad&ver=1.0&sig=token', 'type=resource&ver=1.0&sig=token'])('is not a token of another kind: %s', async (token) => {
    const refused = await readItem({ ...signed('GET', 'docs', item), authorization: encodeURIComponent(token) });
    expect(refused).toMatchObject({ status: 401, body: { message: expect.stringContaining('not modelled') } });
  });

  it('is needed for the account too, which is found under the name it was asked by', async () => {
    expect((await send('GET', '/', {})).status).toBe(401);
    const { body } = await send('GET', '/', { ...signed('GET', '', ''), host: 'cosmos.localhost:1234' });
    expect(body).toMatchObject({ writableLocations: [{ databaseAccountEndpoint: 'http://cosmos.localhost:1234/' }] });
  });
});

describe('a request', () => {
  it('for items needs a partition key', async () => {
    const read = await send('GET', `/${item}`, signed('GET', 'docs', item));
    expect(read).toMatchObject({ status: 400, body: { message: expect.stringContaining('PartitionKey value must be supplied') } });
    expect((await post({}, '{"id":"x","tenantId":"t"}')).status).toBe(400);
  });

  it('has the partition key of its item', async () => {
    const refused = await post(partition, '{"id":"x","tenantId":"u"}');
    expect(refused).toMatchObject({ status: 400, headers: { 'x-ms-substatus': '1001' } });
    expect((await post({ 'x-ms-documentdb-partitionkey': '["t","u"]' }, '{"id":"x","tenantId":"t"}')).status).toBe(400);
  });

  it.each([
    '',
    '{',
    '[]',
    '"text"',
    '{"tenantId":"t"}',
    '{"id":1,"tenantId":"t"}',
    '{"id":"","tenantId":"t"}',
    '{"id":"a/b","tenantId":"t"}',
  ])('posts an item, which %s is not', async (body) => {
    expect((await post(partition, body)).status).toBe(400);
  });

  it.runIf(isTwin).each(['t', '{}', '[{"a":1}]', '[["t"]]', '[]', `["${'x'.repeat(2_049)}"]`])(
    'has a partition key, which %s is not',
    async (key) => {
      expect((await post({ 'x-ms-documentdb-partitionkey': key }, '{"id":"x","tenantId":"t"}')).status).toBe(400);
    },
  );

  it('of more than 2 MB is not read', async () => {
    const refused = await post(partition, JSON.stringify({ id: 'x', tenantId: 't', text: 'x'.repeat(3_000_000) }));
    expect(refused).toMatchObject({ status: 413, body: { code: 'RequestEntityTooLarge' } });
  });

  it('is not nested without end', async () => {
    const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`;
    expect((await post(partition, `{"id":"x","tenantId":"t","deep":${deep}}`)).status).toBe(400);
    const query = `{"query":"SELECT * FROM c WHERE @a = @a","parameters":[{"name":"@a","value":${deep}}]}`;
    expect((await post({ ...partition, 'x-ms-documentdb-isquery': 'true', 'content-type': 'application/query+json' }, query)).status).toBe(
      400,
    );
  });

  it('is told that its owner is missing by a substatus', async () => {
    const missing = `dbs/${target.database.id}/colls/missing/docs/x`;
    expect(await send('GET', `/${missing}`, { ...signed('GET', 'docs', missing), ...partition })).toMatchObject({
      status: 404,
      headers: { 'x-ms-substatus': '1003' },
    });
  });
});

describe.runIf(isTwin)('what is not modelled is refused by name', () => {
  it.each<[string, string, string, string, RegExp]>([
    ['POST', `${feed}/sprocs`, 'sprocs', feed, /POST of sprocs/],
    ['GET', `${feed}/triggers`, 'triggers', feed, /GET of triggers/],
    ['GET', `dbs/${target.database.id}/users`, 'users', `dbs/${target.database.id}`, /GET of users/],
    ['GET', 'offers', 'offers', '', /GET of offers/],
    ['GET', `${feed}/docs`, 'docs', feed, /GET of docs/],
    ['POST', `${feed}/operations/partitionkeydelete`, 'colls', feed, /partitionkeydelete/],
  ])('%s %s', async (method, path, type, link, message) => {
    expect(await send(method, `/${path}`, { ...signed(method, type, link), ...partition })).toMatchObject({
      status: 501,
      body: { message: expect.stringMatching(message) },
    });
  });

  it('the change feed, triggers', async () => {
    const changes = await send('GET', `/${feed}/docs`, { ...signed('GET', 'docs', feed), ...partition, 'a-im': 'Incremental feed' });
    expect(changes).toMatchObject({ status: 501, body: { message: expect.stringContaining('change feed') } });
    const triggered = await post({ ...partition, 'x-ms-documentdb-pre-trigger-include': 'check' }, '{"id":"y","tenantId":"t"}');
    expect(triggered).toMatchObject({ status: 501, body: { message: expect.stringContaining('trigger') } });
  });
});
