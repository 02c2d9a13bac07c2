// Addresses and methods: what is a route, what is none, and what only looks like one. Over a bare socket, where a client would tidy up.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { exchange } from '../conformance/functions-host/raw-http.ts';
import { newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from './asker.ts';
import { judgeOf } from './document.ts';
import { rowsOf } from './operations.ts';

const local = inject('local');
const anyone = new Asker(local.api);
let tenant: TestTenant;
let victim: TestTenant;
beforeAll(async () => {
  [tenant, victim] = await Promise.all([newTenant(local), newTenant(local)]);
});

interface Raw {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** One request exactly as written. */
async function raw(line: string, ...headers: string[]): Promise<Raw> {
  const named = headers.some((header) => header.startsWith('Host:')) ? headers : ['Host: flowgrid', ...headers];
  const answer = await exchange(Number(new URL(local.api).port), [`${line} HTTP/1.1`, `X-API-Key: ${tenant.key}`, ...named]);
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const fields = lines.map((each): [string, string] => [each.slice(0, each.indexOf(':')), each.slice(each.indexOf(':') + 1).trim()]);
  return { status: Number(first.split(' ')[1]), headers: new Headers(fields), text: rest.join('\r\n\r\n') };
}

describe('a path that is no route', () => {
  test.for([
    '/',
    '/api',
    '/api/',
    '/api/nothing',
    '/tenants/a/b/c/d',
    '/api/registry',
    '/api//health',
    '/admin/tenants/health',
    '/problems',
    '/index.html',
    '/api/v2/tools',
  ])('is 404: %s', async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) problemOf(await anyone.ask(method, path), 404, 'not_found');
    expect(await anyone.ask('HEAD', path)).toMatchObject({ status: 404, body: undefined });
  });
});

describe('a method that a route does not have', () => {
  test('is 405 on every route, and Allow names what it has', async () => {
    const { document } = await judgeOf(local.api);
    const byPath = Map.groupBy(rowsOf(document), ({ path }) => path);
    for (const [template, rows] of byPath) {
      const path = template.replace('{tenantId}', tenant.id).replaceAll(/\{\w+\}/g, 'some-thing');
      const allowed = rows.map(({ method }) => method);
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter((each) => !allowed.includes(each))) {
        const answer = await anyone.ask(method, path);
        problemOf(answer, 405, 'method_not_allowed');
        expect([method, path, answer.headers.get('allow')]).toEqual([method, path, allowed.join(', ')]);
      }
    }
  });

  test('HEAD is 405 without a body', async () => {
    const { status, headers, body } = await anyone.ask('HEAD', '/api/health');
    expect([status, headers.get('allow'), body]).toEqual([405, 'GET', undefined]);
  });

  test.for(['TRACE', 'PROPFIND', 'QUERY', 'LINK'])('%s reaches no function', async (method) => {
    expect((await raw(`${method} /api/health`)).status).toBe(404);
  });
});

describe('a path that is written otherwise', () => {
  test('is the same route with a slash at its end, in capitals, percent-encoded, or with dots in it', async () => {
    for (const path of [
      `/tenants/${tenant.id}/quota/`,
      `/TENANTS/${tenant.id}/Quota`,
      `/tenants/%${tenant.id.charCodeAt(0).toString(16)}${tenant.id.slice(1)}/quota`,
      `/%74enants/${tenant.id}/quota`,
      `/tenants/${victim.id}/../${tenant.id}/quota`,
      `/tenants/./${tenant.id}/quota`,
    ])
      expect([path, (await raw(`GET ${path}`)).status]).toEqual([path, 200]);
    expect((await raw(`GET http://elsewhere.example/tenants/${tenant.id}/quota`)).status).toBe(200);
  });

  test('still names the other tenant', async () => {
    for (const path of [
      `/tenants/${victim.id}/quota/`,
      `/TENANTS/${victim.id}/QUOTA`,
      `/tenants/%${victim.id.charCodeAt(0).toString(16)}${victim.id.slice(1)}/quota`,
      `/tenants/${tenant.id}/../${victim.id}/quota`,
      `/tenants/${tenant.id}/%2e%2e/${victim.id}/quota`,
      `/tenants/${tenant.id.toUpperCase()}/quota`,
      `/tenants/${tenant.id}%20/quota`,
      `/tenants/${tenant.id};x=1/quota`,
      `/tenants/${tenant.id}%2f${victim.id}/quota`,
      // Decoded once these are dots that a second reading would take away.
      '/tenants/%252e%252e/quota',
      `/tenants/${tenant.id}%252f..%252f${victim.id}/quota`,
    ]) {
      const { status, text } = await raw(`GET ${path}`);
      expect([path, status, text.includes('"code":"not_found"')]).toEqual([path, 404, true]);
    }
  });

  test('is the same whatever the Host header says', async () => {
    for (const host of ['', 'x', 'evil.example:80', '[::1]']) {
      const { status } = await raw(`GET /tenants/${victim.id}/quota`, `Host: ${host}`);
      expect([host, status]).toEqual([host, 404]);
    }
  });

  test('is 400 with a NUL in it', async () => {
    expect((await raw('GET /tenants/%00/quota')).status).toBe(400);
  });
});

describe('a query', () => {
  const ask = (query: string) => new Asker(local.api, tenant.key).ask('GET', `/api/registry/agents?${query}`);

  test('with names nobody knows is read as if they were not there', async () => {
    for (const query of ['x=1', 'LIMIT=x', '&&&', '=1', '%', '%ff=%ff', 'limit', '__proto__=1&constructor=x'])
      expect([query, (await ask(query)).status]).toEqual([query, query === 'limit' ? 400 : 200]);
  });

  test('with a name twice counts the last', async () => {
    problemOf(await ask('limit=1&limit=x'), 400, 'validation_failed');
  });

  test('cannot take the place of what is in the path', async () => {
    const owner = new Asker(local.api, tenant.key);
    for (const query of [`tenantId=${tenant.id}`, `TenantId=${tenant.id}`])
      problemOf(await owner.ask('GET', `/tenants/${victim.id}/quota?${query}`), 404, 'not_found');
    problemOf(await owner.ask('GET', '/api/registry/agents/nobody?id=somebody'), 404, 'not_found');
  });
});
