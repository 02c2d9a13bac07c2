// Bodies that are none: on every route that reads one, a clear answer and nothing changed.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { type Answer, Asker, codeOf, problemOf } from './asker.ts';
import { judgeOf, rowsOf } from './document.ts';
import { changesNothing } from './trail.ts';

const local = inject('local');
const mebibyte = 1_048_576;
const json = { 'content-type': 'application/json' };

let tenant: TestTenant;
let owner: Asker;
let platform: Asker;
let checked: Promise<void>;
const done = Promise.withResolvers<void>();

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  platform = new Asker(local.api, local.platformKey);
  await owner.post('/api/registry/agents/known/register', { card: cardOf('known'), ttlSeconds: 600 });
  const begun = Promise.withResolvers<void>();
  checked = changesNothing(owner, tenant.id, () => {
    begun.resolve();
    return done.promise;
  });
  await begun.promise;
});

// Whatever these tests sent, the tenant is as it was.
afterAll(async () => {
  done.resolve();
  await checked;
});

const routes = [
  'POST /tenants',
  'POST /tenants/{tenantId}/agents/{agentId}/environment',
  'POST /tenants/{tenantId}/integrations/{integration}/credentials',
  'POST /api/registry/agents/{id}/register',
  'DELETE /api/registry/agents/{id}/unregister',
  'POST /api/messages',
  'POST /api/messaging/token',
  'POST /api/v1/tools/invoke',
  'POST /api/quota/check',
  'POST /api/policy/explain',
  'DELETE /tenants/{tenantId}/policies/{name}',
  'DELETE /tenants/{tenantId}/issuers/{name}',
  'DELETE /tenants/{tenantId}/members/{subject}',
  'POST /auth/logout',
  'DELETE /tenants/{tenantId}',
  'POST /tenants/{tenantId}/suspend',
  'POST /tenants/{tenantId}/resume',
  'PUT /tenants/{tenantId}/issuers/{name}',
  'PUT /tenants/{tenantId}/members/{subject}',
  'POST /tenants/{tenantId}/api-keys',
  'POST /tenants/{tenantId}/api-keys/{keyId}/rotate',
  'DELETE /tenants/{tenantId}/api-keys/{keyId}',
  'PATCH /tenants/{tenantId}',
];
const bodiless = [
  'POST /tenants/{tenantId}/agents/{agentId}/environment',
  'DELETE /api/registry/agents/{id}/unregister',
  'DELETE /tenants/{tenantId}/policies/{name}',
  'DELETE /tenants/{tenantId}/issuers/{name}',
  'DELETE /tenants/{tenantId}/members/{subject}',
  'POST /auth/logout',
  'DELETE /tenants/{tenantId}/api-keys/{keyId}',
  'DELETE /tenants/{tenantId}',
  'POST /tenants/{tenantId}/suspend',
  'POST /tenants/{tenantId}/resume',
];
/** What has defaults for all it could say need not come. */
const optional = ['POST /tenants/{tenantId}/api-keys/{keyId}/rotate'];
/** For the platform, which is given a tenant that is none: nothing is to happen to it. */
const platformRoutes = new Set([
  'POST /tenants',
  'DELETE /tenants/{tenantId}',
  'POST /tenants/{tenantId}/suspend',
  'POST /tenants/{tenantId}/resume',
]);
/** These read plain text. */
const textRoutes = ['PUT /tenants/{tenantId}/policies/{name}'];

function send(
  route: string,
  body: NonNullable<Parameters<Asker['ask']>[2]>['body'],
  headers: Record<string, string> = json,
): Promise<Answer> {
  const [method = '', template = ''] = route.split(' ');
  const isOfPlatform = platformRoutes.has(route);
  const path = template
    .replace('{tenantId}', isOfPlatform ? 'nobody-is-this' : tenant.id)
    .replace('{agentId}', 'known')
    .replace('{id}', 'known')
    .replace('{keyId}', 'aaaaaaaaaaaa')
    .replace('{integration}', 'notion')
    .replace('{name}', 'known')
    .replace('{subject}', 'known');
  return (isOfPlatform ? platform : owner).ask(method, path, { ...(body !== undefined && { body }), headers });
}

test('these are all the routes that read a body', async () => {
  const { document } = await judgeOf(local.api);
  const all = rowsOf(document).filter(({ method }) => method !== 'GET');
  expect(all.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([...routes, ...textRoutes].sort());
  expect(
    all
      .filter(({ operation }) => !operation.requestBody)
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  ).toEqual(bodiless.toSorted());
});

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const inObject = (value: string) => `{"x":${value}}`;

describe.for(routes)('%s', (route) => {
  test.for([
    '{',
    '}',
    'nul',
    "{'a':1}",
    '{"a":1,}',
    '[1,]',
    '{"a":1}{"a":1}',
    '{"a":01}',
    '{"a":NaN}',
    '{"a":"\t"}',
    '// x\n{}',
    ' ',
    inObject('"\\ud800"'),
    '{"\\udc00":1}',
    inObject('["\\ud83d\\ud83d"]'),
    '{"__proto__":{"x":1}}',
    inObject('{"__proto__":1}'),
    inObject('1e999'),
    inObject('[-1e999]'),
    inObject(nested(65)),
    inObject(nested(400_000)),
  ])('is not JSON we take: %.30s', async (body) => {
    problemOf(await send(route, body), 400, 'invalid_json');
  });

  test('is not JSON without UTF-8', async () => {
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]])
      problemOf(await send(route, Buffer.from([...Buffer.from('{"x":"'), ...bytes, ...Buffer.from('"}')])), 400, 'invalid_json');
    problemOf(await send(route, Buffer.from('{"x":1}', 'utf16le')), 400, 'invalid_json');
  });

  test('reads no other media type', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'application/xml',
      'json',
      '',
    ])
      problemOf(await send(route, '{}', { 'content-type': type }), 415, 'unsupported_media_type');
  });

  test.for(['application/json;charset=utf-8', 'APPLICATION/JSON', 'application/merge-patch+json'])('reads %s', async (type) => {
    const { errors } = problemOf(await send(route, '{"never-heard-of":1}', { 'content-type': type }), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toContain('');
  });

  test('is an object with known fields', async () => {
    for (const body of ['[1]', '"x"', '5', 'null', 'true', '{"constructor":1}']) {
      if (bodiless.includes(route) && !body.startsWith('{') && body !== '[1]') continue;
      problemOf(await send(route, body), 400, 'validation_failed');
    }
  });

  test('is not too large, by its length or by its parts', async () => {
    const limit = route.endsWith('/invoke') ? 10 * mebibyte : mebibyte;
    const body = Buffer.alloc(limit + 1, ' ');
    problemOf(await send(route, body), 413, 'payload_too_large');
    problemOf(await send(route, inParts(body)), 413, 'payload_too_large');
    // One byte less is read.
    problemOf(await send(route, body.subarray(1)), 400, 'invalid_json');
    problemOf(await send(route, inParts(body.subarray(1))), 400, 'invalid_json');
  });
});

describe.for(routes.filter((route) => ![...bodiless, ...optional].includes(route)))('%s', (route) => {
  test('is there', async () => {
    problemOf(await send(route, undefined), 400, 'invalid_json');
    problemOf(await send(route, '', {}), 400, 'invalid_json');
  });
});

describe.for(textRoutes)('%s', (route) => {
  test('reads text alone, in UTF-8, and not without end', async () => {
    const text = { 'content-type': 'text/plain' };
    for (const headers of [json, {}]) problemOf(await send(route, Buffer.from('x'), headers), 415, 'unsupported_media_type');
    problemOf(await send(route, Buffer.from([0xff]), text), 400, 'invalid_json');
    problemOf(await send(route, '', text), 400, 'invalid_json');
    problemOf(await send(route, Buffer.alloc(mebibyte + 1, ' '), text), 413, 'payload_too_large');
  });
});

describe('a good body', () => {
  test('may come in parts, with spaces and with escapes', async () => {
    const answer = await owner.ask('POST', '/api/quota/check', {
      body: inParts(Buffer.from(' \n{"meter" : "maxToolCalls\\u0050erDay"}\r\n ')),
      headers: json,
    });
    expect(answer.status).toBe(200);
  });

  test('may be as deep as 64', async () => {
    const ask = (payload: string) =>
      owner.ask('POST', '/api/messages', { body: `{"to":"nobody","messageType":"x","payload":${payload}}`, headers: json });
    expect(codeOf(await ask(nested(63)))).toBe('agent_not_found');
    expect(codeOf(await ask(nested(64)))).toBe('invalid_json');
  });
});

/** Sent with `Transfer-Encoding: chunked`, without a length. */
function inParts(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.slice(at, at + 65_536));
      at += 65_536;
      if (at >= bytes.length) controller.close();
    },
  });
}
