// api.md, Common rules, on every function there is: what holds for all is tried on all, from the OpenAPI document.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { makeCursor } from '../../shared/context/cursor.ts';
import { nameOf } from '../attacks/attack.ts';
import { samples } from '../attacks/samples.ts';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from './asker.ts';
import { judgeOf } from './document.ts';
import { type Row, rowsOf } from './operations.ts';

const local = inject('local');
const { document } = await judgeOf(local.api);
const rows = rowsOf(document);
const named = (some: readonly Row[]): [string, Row][] => some.map((row) => [nameOf(row), row]);
const hasParameter = ({ operation }: Row, name: string) => operation.parameters?.some((parameter) => parameter.name === name) === true;
const isOfPlatform = ({ operation }: Row) => /`platform:/.test(operation.description ?? '') && !/ or /.test(operation.description ?? '');

let tenant: TestTenant;
let other: TestTenant;
beforeAll(async () => {
  [tenant, other] = await Promise.all([newTenant(local), newTenant(local)]);
  const owner = new Asker(local.api, tenant.key);
  await owner.post('/api/registry/agents/known/register', { card: cardOf('known'), ttlSeconds: 3_600 });
});

const callerOf = (row: Row) => new Asker(local.api, isOfPlatform(row) ? local.platformKey : tenant.key);
function pathOf(row: Row, ...query: string[]): string {
  const path = row.path
    .replace('{tenantId}', tenant.id)
    .replace('{integration}', 'notion')
    .replace('{code}', 'not_found')
    .replaceAll(/\{(agentId|id)\}/g, 'known')
    .replaceAll(/\{\w+\}/g, 'somebody');
  const search = [samples[nameOf(row)]?.query, ...query].filter((part) => part !== undefined).join('&');
  return path + (search && `?${search}`);
}

const lists = rows.filter((row) => row.method === 'GET' && hasParameter(row, 'cursor'));

describe('a list', () => {
  test('is whatever answers items with a cursor', () => {
    const answering = rows.filter(({ operation }) => JSON.stringify(operation.responses['200'] ?? {}).includes('"nextCursor"'));
    expect(answering.map(nameOf).sort()).toEqual(lists.map(nameOf).sort());
    expect(lists.length).toBeGreaterThan(3);
  });

  test.for(named(lists))('%s has 1 to 200 items a page, and 50 unless asked', async ([, row]) => {
    const caller = callerOf(row);
    for (const limit of ['0', '201', '-1', '1.5', 'x', '1e9', '%00'])
      problemOf(await caller.ask('GET', pathOf(row, `limit=${limit}`)), 400, 'validation_failed', limit);
    for (const limit of [1, 200]) {
      const { items, nextCursor } = await caller.get<{ items: unknown[]; nextCursor: string | null }>(pathOf(row, `limit=${limit}`));
      expect(items.length).toBeLessThanOrEqual(limit);
      expect(nextCursor === null || typeof nextCursor === 'string').toBe(true);
    }
    const limit = row.operation.parameters?.find(({ name }) => name === 'limit');
    expect(limit?.schema).toMatchObject({ default: 50, maximum: 200 });
  });

  test.for(named(lists))('%s goes on only where its own cursor says', async ([, row]) => {
    const caller = callerOf(row);
    const owner = isOfPlatform(row) ? 'platform' : tenant.id;
    const wrong = [
      'x',
      '%00',
      Buffer.from('{}').toString('base64url'),
      Buffer.from('[1,2,3]').toString('base64url'),
      makeCursor(owner, 'another-list', 'x'),
      makeCursor(owner, row.operation.operationId, { never: 'a position' }),
    ];
    for (const cursor of wrong) problemOf(await caller.ask('GET', pathOf(row, `cursor=${cursor}`)), 400, 'cursor_invalid', cursor);
    problemOf(await caller.ask('GET', pathOf(row, `cursor=${'x'.repeat(2_049)}`)), 400, 'validation_failed');
    if (isOfPlatform(row)) return;
    const stolen = makeCursor(other.id, row.operation.operationId, 'x');
    for (const query of [`cursor=${stolen}`, `cursor=x&cursor=${stolen}`])
      problemOf(await caller.ask('GET', pathOf(row, query)), 403, 'tenant_mismatch');
  });
});

describe('what bears another tenant’s name within', () => {
  const writing = rows.filter(
    (row) => row.method !== 'GET' && row.operation.security.length > 0 && !isOfPlatform(row) && !samples[nameOf(row)]?.text,
  );

  test.for(named(writing))('is refused in query and body: %s', async ([, row]) => {
    const cursor = makeCursor(other.id, 'registry-list', 'x');
    for (const [name, value] of [
      ['cursor', cursor],
      ['queue', `${other.id}-known`],
      ['queue', `${other.id}-orchestrator`],
    ] as const) {
      problemOf(await callerOf(row).ask(row.method, pathOf(row, `${name}=${value}`)), ...expected(row));
      problemOf(await callerOf(row).ask(row.method, pathOf(row), { json: { [name]: value } }), 403, 'tenant_mismatch');
    }
  });

  /** Without the body it needs a call ends before. */
  function expected(row: Row): [number, string] {
    return row.operation.requestBody?.required === true ? [400, 'invalid_json'] : [403, 'tenant_mismatch'];
  }
});

describe('an editable record', () => {
  const shown = rows.filter((row) => row.method === 'GET' && Object.hasOwn(row.operation.responses, '304'));

  test('answers 304 to whoever has its version', async () => {
    let tagged = 0;
    for (const row of shown) {
      const caller = callerOf(row);
      const { status, headers } = await caller.ask('GET', pathOf(row));
      const etag = headers.get('etag');
      if (status !== 200) continue;
      tagged += 1;
      expect(etag, nameOf(row)).toMatch(/^"[\x21\x23-\x7e]+"$/);
      for (const condition of [etag ?? '', `W/${etag}`, `"x", ${etag}`, '*']) {
        const again = await caller.ask('GET', pathOf(row), { headers: { 'if-none-match': condition } });
        expect([nameOf(row), again.status, again.headers.get('etag')]).toEqual([nameOf(row), 304, etag]);
      }
      expect((await caller.ask('GET', pathOf(row), { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
    }
    expect(tagged).toBeGreaterThan(0);
  });

  test('answers its version wherever it can be changed', async () => {
    const changed = new Set(rows.filter(({ method }) => method === 'PUT' || method === 'PATCH').map(({ path }) => path));
    for (const row of rows.filter(({ method, path }) => method === 'GET' && changed.has(path))) {
      const { status, headers } = await callerOf(row).ask('GET', pathOf(row));
      if (status === 200) expect(headers.get('etag'), nameOf(row)).toMatch(/^"[\x21\x23-\x7e]+"$/);
    }
  });

  test.for(named(rows.filter(({ method }) => method === 'PUT' || method === 'PATCH')))('%s heeds If-Match', async ([, row]) => {
    const { json, text } = samples[nameOf(row)] ?? {};
    const headers = { 'if-match': '"never-a-version"', ...(text !== undefined && { 'content-type': 'text/plain' }) };
    problemOf(
      await callerOf(row).ask(row.method, pathOf(row), {
        ...(json !== undefined && { json }),
        ...(text !== undefined && { body: text }),
        headers,
      }),
      412,
      'precondition_failed',
    );
  });
});

describe('an Idempotency-Key', () => {
  const posts = rows.filter((row) => row.method === 'POST' && row.operation.security.length > 0);

  test('is taken by every POST of a known caller', () => {
    expect(posts.filter((row) => !hasParameter(row, 'Idempotency-Key')).map(nameOf)).toEqual([]);
    expect(rows.filter((row) => row.method !== 'POST' && hasParameter(row, 'Idempotency-Key')).map(nameOf)).toEqual([]);
  });

  test.for(named(posts))('is read before the body’s schema: %s', async ([, row]) => {
    const { json, text } = samples[nameOf(row)] ?? {};
    const mine = json === undefined ? undefined : JSON.parse(JSON.stringify(json).replaceAll('{victim}', tenant.id));
    const { errors } = problemOf(
      await callerOf(row).ask('POST', pathOf(row), {
        ...(mine !== undefined && { json: mine }),
        ...(text !== undefined && { body: text }),
        headers: { 'idempotency-key': 'two words', ...(text !== undefined && { 'content-type': 'text/plain' }) },
      }),
      400,
      'validation_failed',
    );
    expect(errors).toMatchObject([{ pointer: '/header/Idempotency-Key' }]);
  });
});
