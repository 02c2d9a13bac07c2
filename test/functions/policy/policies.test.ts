// Policies as records: written, read, listed, deleted, held to the schema, and bounded.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, codeOf, problemOf } from '../asker.ts';
import { changesNothing, settledTrail } from '../trail.ts';
import { type PolicyView, policyPath, put } from './writer.ts';

const local = inject('local');
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const harmless = 'permit(principal, action, resource is Queue);';

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
});

const at = (name: string) => policyPath(tenant.id, name);
const write = (name: string, text: string, headers: Record<string, string> = {}) => put(owner, tenant.id, name, text, headers);

describe('PUT, GET, DELETE /tenants/{tenantId}/policies/{name}', () => {
  test('keeps a text as it came, with a tag, and tells of it in the ledger', async () => {
    const [first, second] = [`// ü\r\n${harmless}`, `${harmless}\n${harmless}`];
    const made = await write('kept', first);
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      name: 'kept',
      bytes: Buffer.byteLength(first),
      statements: 1,
      updatedAt: instant,
      updatedBy: expect.any(String),
      warnings: [],
    });
    const shown = await owner.ask('GET', at('kept'));
    expect(shown.body).toBe(first);
    expect(shown.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(shown.headers.get('etag')).toMatch(/^"[^"]+"$/);
    expect(shown.headers.get('etag')).toBe(made.headers.get('etag'));

    const again = await write('kept', second);
    expect([again.status, again.body.statements]).toEqual([200, 2]);
    expect(again.headers.get('etag')).not.toBe(made.headers.get('etag'));
    expect((await owner.ask('DELETE', at('kept'))).status).toBe(204);
    problemOf(await owner.ask('GET', at('kept')), 404, 'not_found');
    problemOf(await owner.ask('DELETE', at('kept')), 404, 'not_found');

    const events = (await settledTrail(owner, tenant.id)).filter(({ entity }) => entity.type === 'policy' && entity.id === 'kept');
    expect(events.toReversed()).toMatchObject([
      { action: 'policy.written', outcome: 'success', new: { text: first } },
      { action: 'policy.written', old: { text: first }, new: { text: second } },
      { action: 'policy.deleted', old: { text: second } },
    ]);
  });

  test('changes only the version that If-Match names', async () => {
    const { headers } = await write('tagged', harmless);
    const tag = headers.get('etag') ?? '';
    await changesNothing(owner, tenant.id, async () => {
      problemOf(await write('tagged', harmless, { 'if-match': '"another"' }), 412, 'precondition_failed');
      problemOf(await write('not-there', harmless, { 'if-match': tag }), 412, 'precondition_failed');
      problemOf(await owner.ask('DELETE', at('tagged'), { headers: { 'if-match': '"another"' } }), 412, 'precondition_failed');
    });
    const next = await write('tagged', harmless, { 'if-match': tag });
    expect(next.status).toBe(200);
    problemOf(await write('tagged', harmless, { 'if-match': tag }), 412, 'precondition_failed');
    const last = { 'if-match': next.headers.get('etag') ?? '' };
    expect((await owner.ask('DELETE', at('tagged'), { headers: last })).status).toBe(204);
  });

  test('says line by line why a text is no policy, and stores none', async () => {
    const text = 'permit(\n  principal == Agnt::"a",\n  action == Action::"tool:call",\n  resource\n);';
    await changesNothing(owner, tenant.id, async () => {
      const { errors } = problemOf(await write('wrong', text), 400, 'policy_invalid');
      expect(errors).toEqual(
        expect.arrayContaining([
          { line: 2, column: 16, message: expect.stringContaining('Agnt') },
          { line: 3, column: 13, message: expect.stringContaining('tool:call') },
        ]),
      );
      problemOf(await owner.ask('GET', at('wrong')), 404, 'not_found');
      problemOf(await write('wrong', `permit(principal, action, resource) when { ${'('.repeat(3_000)} };`), 400, 'policy_invalid');
      problemOf(await write('wrong', `// ${'x'.repeat(8_192)}\n${harmless}`), 413, 'payload_too_large');
      problemOf(await write('wrong', harmless, { 'content-type': 'application/json' }), 415, 'unsupported_media_type');
    });
    expect((await write('right', harmless)).status).toBe(201);
  });

  test('warns of a policy that can never apply', async () => {
    const { body } = await write('idle', 'permit(principal, action == Action::"tool:invoke", resource is Queue);');
    expect(body.warnings).not.toEqual([]);
  });

  test.for(['Upper', 'a--b', '-a', 'x'.repeat(65), 'a_b'])('takes no name such as %s', async (name) => {
    const { errors } = problemOf(await write(name, harmless), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/path/name']);
  });

  test('is for who holds the scope, in the own tenant', async () => {
    const other = await newTenant(local);
    const stranger = new Asker(local.api, other.key);
    problemOf(await put(stranger, tenant.id, 'planted', harmless), 404, 'not_found');
    for (const method of ['GET', 'DELETE']) problemOf(await stranger.ask(method, at('right')), 404, 'not_found');
    problemOf(await stranger.ask('GET', `/tenants/${tenant.id}/policies`), 404, 'not_found');
    problemOf(await put(new Asker(local.api, local.platformKey), tenant.id, 'planted', harmless), 403, 'scope_missing');
    const { items } = await owner.get<{ items: PolicyView[] }>(`/tenants/${tenant.id}/policies`);
    expect(items.map(({ name }) => name)).not.toContain('planted');
  });
});

describe('GET /tenants/{tenantId}/policies', () => {
  test('lists them page by page, up to their bounds', async () => {
    const fresh = await newTenant(local);
    const asker = new Asker(local.api, fresh.key);
    const list = (query: string) =>
      asker.get<{ items: PolicyView[]; nextCursor: string | null; total: number }>(`/tenants/${fresh.id}/policies${query}`);
    expect(await list('')).toEqual({ items: [], nextCursor: null, total: 0 });
    for (const name of ['b', 'a', 'c-1']) await put(asker, fresh.id, name, harmless);
    const first = await list('?limit=2');
    expect(first).toMatchObject({
      items: [{ name: 'a', bytes: harmless.length, statements: 1, updatedAt: instant }, { name: 'b' }],
      total: 3,
    });
    expect(await list(`?limit=2&cursor=${first.nextCursor}`)).toMatchObject({ items: [{ name: 'c-1' }], nextCursor: null, total: 3 });
    problemOf(await asker.ask('GET', `/tenants/${fresh.id}/policies?cursor=x`), 400, 'cursor_invalid');

    // 200 statements in all: three there, 197 more and not one beyond.
    const many = (count: number) => Array(count).fill('forbid(principal,action,resource is Queue);').join('\n');
    for (const [at, count] of [130, 67].entries()) expect((await put(asker, fresh.id, `many-${at}`, many(count))).status).toBe(201);
    const over = await put(asker, fresh.id, 'one-more', harmless);
    expect([over.status, codeOf(over)]).toEqual([409, 'too_many_policies']);
    expect((await put(asker, fresh.id, 'a', `${harmless} `)).status).toBe(200);
  });
});
