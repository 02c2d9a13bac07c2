// The demo REST upstream, spoken to as a tool would.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Faults } from '../../../local/faults.ts';
import type { Service } from '../../../local/service.ts';
import { startRestUpstream } from '../../../local/upstreams/rest.ts';
import { startPartProcess } from '../part-process.ts';

const token = 'ntn_demo';
const faults = new Faults();
let folder = '';
let service: Service;
const start = () => startRestUpstream({ folder, port: 0, durable: false, faults, token });
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowgrid-upstream-'));
  service = await start();
});
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

const Body = z.looseObject({ id: z.string().optional(), results: z.array(z.looseObject({ id: z.string() })).optional() });

interface Options {
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
}
async function call(method: string, path: string, options: Options = {}, port = service.port) {
  const headers = { authorization: `Bearer ${options.token ?? token}`, 'notion-version': '2022-06-28', ...options.headers };
  const body = options.body === undefined ? null : JSON.stringify(options.body);
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body });
  return { status: response.status, headers: response.headers, body: Body.parse(await response.json()) };
}

const parent = { page_id: '11111111-2222-3333-4444-555555555555' };
function titled(title: string) {
  return { parent, properties: { Name: { title: [{ text: { content: title } }] } } };
}
async function create(title: string, as = token, port = service.port): Promise<string> {
  const { status, body } = await call('POST', '/v1/pages', { token: as, body: titled(title) }, port);
  expect(status).toBe(200);
  return body.id ?? '';
}
async function search(body: unknown, as = token): Promise<string[]> {
  return (await call('POST', '/v1/search', { token: as, body })).body.results?.map(({ id }) => id) ?? [];
}

describe('pages', () => {
  it('are created, read, changed and put into the trash', async () => {
    const id = await create('Incident 7');
    const { body } = await call('GET', `/v1/pages/${id}`);
    expect(body).toMatchObject({
      object: 'page',
      id,
      archived: false,
      parent: { type: 'page_id', ...parent },
      ...{ properties: titled('Incident 7').properties },
    });
    expect((await call('GET', `/v1/pages/${id.replaceAll('-', '')}`)).body.id, 'ids may be written without hyphens').toBe(id);
    const changed = await call('PATCH', `/v1/pages/${id}`, { body: { properties: { Severity: { number: 2 } } } });
    expect(changed.body).toMatchObject({ id, properties: { Severity: { number: 2 }, Name: titled('Incident 7').properties.Name } });
    await call('PATCH', `/v1/pages/${id}`, { body: { archived: true } });
    expect((await call('GET', `/v1/pages/${id}`)).body).toMatchObject({ archived: true, in_trash: true });
    expect(await search({ query: 'Incident 7' })).toEqual([]);
  });

  it('are found by title, latest first, page by page', async () => {
    const ids = [await create('Runbook ÄRGER a'), await create('Runbook ärger b'), await create('Runbook ärger c')];
    expect(await search({ query: 'Ärger' })).toEqual(ids.toReversed());
    const sort = { timestamp: 'last_edited_time', direction: 'ascending' };
    expect(await search({ query: 'ärger', sort })).toEqual(ids);
    const first = await call('POST', '/v1/search', { body: { query: 'ärger', page_size: 2 } });
    expect(first.body).toMatchObject({ object: 'list', has_more: true, next_cursor: ids[0] });
    const rest = await call('POST', '/v1/search', { body: { query: 'ärger', page_size: 2, start_cursor: ids[0] } });
    expect(rest.body).toMatchObject({ has_more: false, next_cursor: null, results: [{ id: ids[0] }] });
  });

  it('survive a kill -9 once acknowledged', async () => {
    const own = await mkdtemp(join(tmpdir(), 'flowgrid-upstream-'));
    try {
      const options = { folder: own, token };
      const before = await startPartProcess('local/upstreams/rest.ts', 'startRestUpstream', options);
      const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => create(`Page ${i}`, token, before.port)));
      await before.kill();
      const after = await startPartProcess('local/upstreams/rest.ts', 'startRestUpstream', options);
      for (const id of ids) expect((await call('GET', `/v1/pages/${id}`, {}, after.port)).body.id).toBe(id);
      await after.kill();
    } finally {
      await rm(own, { recursive: true });
    }
  });
});

describe('credentials', () => {
  it.each(['wrong', '', `${token}x`, `.${token}`, `${token}.`, `${token}.Not_A_Tenant`, `other.acme`])('refuses «%s»', async (wrong) => {
    const { status, body } = await call('GET', '/v1/users/me', { token: wrong });
    expect(status).toBe(401);
    expect(body).toMatchObject({ object: 'error', status: 401, code: 'unauthorized', message: 'API token is invalid.' });
  });

  it('tell which workspace a call came from', async () => {
    expect((await call('GET', '/v1/users/me')).body).toMatchObject({ object: 'user', type: 'bot', bot: { workspace_name: 'main' } });
    const acme = await call('GET', '/v1/users/me', { token: `${token}.acme` });
    const globex = await call('GET', '/v1/users/me', { token: `${token}.globex` });
    expect(acme.body).toMatchObject({ bot: { workspace_name: 'acme' } });
    expect(acme.body.id).not.toBe(globex.body.id);
  });

  it("keep each workspace's pages apart", async () => {
    const id = await create('Acme secret plan', `${token}.acme`);
    for (const as of [token, `${token}.globex`]) {
      expect((await call('GET', `/v1/pages/${id}`, { token: as })).status).toBe(404);
      expect((await call('PATCH', `/v1/pages/${id}`, { token: as, body: { archived: true } })).status).toBe(404);
      expect(await search({ query: 'secret plan' }, as)).toEqual([]);
    }
    expect(await search({ query: 'secret plan' }, `${token}.acme`)).toEqual([id]);
  });
});

describe('what it refuses', () => {
  it.each<[string, string, string, Options, number, string]>([
    ['no version', 'GET', '/v1/users/me', { headers: { 'notion-version': '' } }, 400, 'missing_version'],
    ['a page that is not there', 'GET', '/v1/pages/11111111-2222-3333-4444-555555555555', {}, 404, 'object_not_found'],
    ['no parent', 'POST', '/v1/pages', { body: { properties: {} } }, 400, 'validation_error'],
    ['an unknown field', 'POST', '/v1/pages', { body: { ...titled('x'), template: {} } }, 400, 'validation_error'],
    ['too many blocks', 'POST', '/v1/pages', { body: { ...titled('x'), children: Array(101).fill({}) } }, 400, 'validation_error'],
    ['a body too large', 'POST', '/v1/pages', { body: titled('x'.repeat(600_000)) }, 413, 'validation_error'],
    ['another part of the API', 'GET', '/v1/blocks/11111111-2222-3333-4444-555555555555/children', {}, 400, 'invalid_request_url'],
  ])('%s', async (_, method, path, options, status, code) => {
    const { body, headers, ...answer } = await call(method, path, options);
    expect(answer.status).toBe(status);
    expect(body).toMatchObject({ object: 'error', status, code });
    expect(headers.get('x-notion-request-id')).toBe(body['request_id']);
  });
});

describe('faults', () => {
  afterEach(() => faults.set([]));

  it("are played in Notion's words", async () => {
    faults.set([{ service: 'upstream', match: 'POST /v1/search', rate: 1, effect: '429' }]);
    const limited = await call('POST', '/v1/search', { body: {} });
    expect(limited.body).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(limited.headers.get('retry-after')).toBe('1');
    expect((await call('GET', '/v1/users/me')).status).toBe(200);
    faults.set([{ service: 'upstream', rate: 1, effect: '500' }]);
    expect((await call('GET', '/v1/users/me')).body).toMatchObject({ status: 500, code: 'internal_server_error' });
    faults.set([{ service: 'upstream', rate: 1, effect: 'drop' }]);
    await expect(call('GET', '/v1/users/me')).rejects.toThrow();
  });
});
