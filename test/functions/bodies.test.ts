// Bodies that are none: on every route that reads one, a clear answer and nothing changed.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { nameOf } from '../attacks/attack.ts';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { type Answer, Asker, codeOf, problemOf } from './asker.ts';
import { judgeOf } from './document.ts';
import { type Row, rowsOf } from './operations.ts';
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
  const work = () => {
    begun.resolve();
    return done.promise;
  };
  // A registration that fails is an event; the first of a minute are told one by one.
  checked = changesNothing(owner, tenant.id, work, Array(10).fill('registration_failed invalid_json'));
  await begun.promise;
});

// Whatever these tests sent, the tenant is as it was.
afterAll(async () => {
  done.resolve();
  await checked;
});

/** Every function that reads a body of JSON, or none: what it would do with one, it must not do with these. */
const { document } = await judgeOf(local.api);
const rows = rowsOf(document).filter(({ method }) => method !== 'GET');
const typesOf = ({ operation }: Row) => Object.keys(operation.requestBody?.content ?? {});
const takesJson = rows.filter((row) => typesOf(row).every((type) => type === 'application/json'));
const routes = takesJson.map(nameOf);
const bodiless = takesJson.filter((row) => typesOf(row).length === 0).map(nameOf);
/** They are given a tenant that is none: nothing is to happen to it. */
const platformOnly = rows
  .filter(({ operation }) => /`platform:/.test(operation.description ?? '') && !/ or /.test(operation.description ?? ''))
  .map(nameOf);

function send(
  route: string,
  body: NonNullable<Parameters<Asker['ask']>[2]>['body'],
  headers: Record<string, string> = json,
): Promise<Answer> {
  const [method = '', template = ''] = route.split(' ');
  const path = template
    .replace('{tenantId}', platformOnly.includes(route) ? 'nobody-is-this' : tenant.id)
    .replaceAll(/\{(agentId|id)\}/g, 'known')
    .replace('{integration}', 'notion')
    .replaceAll(/\{\w+\}/g, 'somebody');
  return (platformOnly.includes(route) ? platform : owner).ask(method, path, { ...(body !== undefined && { body }), headers });
}

test('there are functions of each kind', () => {
  expect(routes.length).toBeGreaterThan(bodiless.length);
  expect(bodiless.length).toBeGreaterThan(0);
});

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const inObject = (value: string) => `{"x":${value}}`;

const notJson = [
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
];

describe.for(routes)('%s', (route) => {
  test('is not JSON we take', async () => {
    const answers = await Promise.all(notJson.map((body) => send(route, body)));
    for (const [at, answer] of answers.entries()) problemOf(answer, 400, 'invalid_json', notJson[at]?.slice(0, 30));
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

const needed = takesJson.filter(({ operation }) => operation.requestBody?.required === true).map(nameOf);

describe.for(needed)('%s', (route) => {
  test('is there', async () => {
    problemOf(await send(route, undefined), 400, 'invalid_json');
    problemOf(await send(route, '', {}), 400, 'invalid_json');
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
