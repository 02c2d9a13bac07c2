// The order of checks (api.md): what fails several of them is answered by the first. Each row fails one check and every later one it can.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, type Asking, problemOf } from './asker.ts';
import { put } from './policy/writer.ts';

const local = inject('local');
const json = { 'content-type': 'application/json' };
const tooLarge = 'x'.repeat(1_048_577);

let tenant: TestTenant;
let victim: TestTenant;
let owner: Asker;
let agent: Asker;
let spent: Asker;
const platform = new Asker(local.api, local.platformKey);

beforeAll(async () => {
  [tenant, victim] = await Promise.all([newTenant(local), newTenant(local)]);
  owner = new Asker(local.api, tenant.key);
  await owner.post('/api/registry/agents/known/register', { card: cardOf('known') });
  const { FLOWGRID_API_TOKEN: key } = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/known/environment`);
  agent = new Asker(local.api, key);
  spent = new Asker(local.api, (await newTenant(local, { quotas: { maxToolCallsPerDay: 0, maxAgents: 0 } })).key);
});

async function first(by: Asker, route: string, asking: Asking, status: number, code: string): Promise<void> {
  const [method = '', path = ''] = route.split(' ');
  problemOf(await by.ask(method, path, asking), status, code);
}

const anyone = new Asker(local.api);
const foreign = () => ({ 'x-tenant-id': victim.id });

describe('before all others stands the route', () => {
  test('404, then 405, whoever calls with whatever', async () => {
    for (const by of [anyone, owner, platform]) {
      await first(by, `POST /api/nowhere?tenantId=${victim.id}`, { body: tooLarge, headers: foreign() }, 404, 'not_found');
      await first(by, `PUT /tenants/${victim.id}/audit`, { body: tooLarge }, 405, 'method_not_allowed');
    }
  });
});

describe('then who calls', () => {
  test('401 before the tenant in the path, scopes and all that is in the body', async () => {
    for (const by of [anyone, new Asker(local.api, `${tenant.key.slice(0, -1)}x`)]) {
      await first(
        by,
        `POST /tenants/${victim.id}/agents/BAD/environment?tenantId=${victim.id}`,
        { body: tooLarge },
        401,
        'unauthenticated',
      );
      await first(by, 'POST /tenants', { body: '{', headers: json }, 401, 'unauthenticated');
      await first(by, 'GET /api/registry/agents?limit=x&cursor=x', {}, 401, 'unauthenticated');
    }
  });
});

describe('then whose the tenant in the path is', () => {
  test('404 before scopes, size, media type, JSON, other places and schema', async () => {
    for (const by of [agent, owner]) {
      await first(by, `POST /tenants/${victim.id}/agents/BAD/environment?tenantId=${victim.id}`, { body: tooLarge }, 404, 'not_found');
      await first(by, `POST /tenants/${victim.id}/integrations/BAD/credentials`, { body: '{', headers: json }, 404, 'not_found');
      await first(by, `GET /tenants/${victim.id}/audit?limit=x&tenantId=${victim.id}`, { headers: foreign() }, 404, 'not_found');
      await first(by, 'GET /tenants/Not-A-Tenant/quota', {}, 404, 'not_found');
    }
  });
});

describe('then what the caller may', () => {
  test('403 scope_missing before size, media type, JSON, other tenants and schema', async () => {
    await first(agent, `POST /tenants/${tenant.id}/agents/BAD/environment`, { body: tooLarge }, 403, 'scope_missing');
    await first(agent, `POST /tenants/${tenant.id}/integrations/notion/credentials`, { body: '{' }, 403, 'scope_missing');
    await first(agent, `GET /tenants/${tenant.id}/audit?limit=x&tenantId=${victim.id}`, { headers: foreign() }, 403, 'scope_missing');
    await first(agent, 'POST /tenants', { body: tooLarge, headers: foreign() }, 403, 'scope_missing');
    await first(platform, 'POST /api/messages', { body: tooLarge, headers: foreign() }, 403, 'scope_missing');
    await first(platform, `GET /tenants/${tenant.id}/audit?limit=x`, {}, 403, 'scope_missing');
  });
});

describe('then the body as such', () => {
  test('413 before 415, 415 before 400, 400 before other tenants and schema', async () => {
    await first(
      owner,
      'POST /api/quota/check',
      { body: tooLarge, headers: { 'content-type': 'text/plain', ...foreign() } },
      413,
      'payload_too_large',
    );
    await first(
      owner,
      'POST /api/quota/check',
      { body: '{', headers: { 'content-type': 'text/plain', ...foreign() } },
      415,
      'unsupported_media_type',
    );
    await first(
      owner,
      `POST /api/quota/check?tenantId=${victim.id}`,
      { body: '{', headers: { ...json, ...foreign() } },
      400,
      'invalid_json',
    );
    await first(owner, 'POST /api/registry/agents/BAD/register', { body: '{', headers: json }, 400, 'invalid_json');
  });
});

describe('then other tenants, wherever they are named', () => {
  test.for(['query', 'query with an underscore', 'header', 'body', 'cursor', 'queue'] as const)(
    '403 tenant_mismatch for %s, before the schema',
    async (place) => {
      const wrong = { meter: 'wrong', more: 1 };
      const cursor = Buffer.from(JSON.stringify([victim.id, 'audit-list', null])).toString('base64url');
      const rows: Record<typeof place, [string, Asking]> = {
        query: [`POST /api/quota/check?tenantId=${victim.id}`, { json: wrong }],
        'query with an underscore': [`POST /api/quota/check?tenant_id=${victim.id}`, { json: wrong }],
        header: ['POST /api/quota/check', { json: wrong, headers: foreign() }],
        body: ['POST /api/quota/check', { json: { ...wrong, tenantId: victim.id } }],
        cursor: [`GET /tenants/${tenant.id}/audit?limit=x&cursor=${cursor}`, {}],
        queue: ['POST /api/messaging/token', { json: { queue: `${victim.id}-known`, more: 1 } }],
      };
      await first(owner, ...rows[place], 403, 'tenant_mismatch');
    },
  );

  test('the own tenant is no other: it is dropped from the body, and nothing else is', async () => {
    const named = `tenantId=${tenant.id}&tenant_id=${tenant.id}`;
    const asking = { json: { meter: 'maxToolCallsPerDay', tenantId: tenant.id }, headers: { 'x-tenant-id': tenant.id } };
    expect((await owner.ask('POST', `/api/quota/check?${named}`, asking)).status).toBe(200);
    expect((await owner.ask('POST', `/tenants/${tenant.id}/agents/other/environment`, { json: { tenantId: tenant.id } })).status).toBe(200);
    expect((await owner.ask('DELETE', '/api/registry/agents/nobody/unregister', { json: { tenantId: tenant.id } })).status).toBe(204);
    await first(owner, 'POST /api/quota/check', { json: { meter: 'maxToolCallsPerDay', tenant_id: tenant.id } }, 400, 'validation_failed');
  });

  test('in any writing that is not exactly the own', async () => {
    for (const id of ['', tenant.id.toUpperCase(), `${tenant.id}%20`, `${tenant.id},${victim.id}`, `${victim.id}%00`])
      await first(owner, `POST /api/quota/check?tenantId=${id}`, { json: {} }, 403, 'tenant_mismatch');
    await first(owner, `GET /api/registry/agents?tenantId=${tenant.id}&tenantId=${victim.id}`, {}, 403, 'tenant_mismatch');
    for (const tenantId of [null, 5, '', [tenant.id], { id: tenant.id }, true])
      await first(owner, 'POST /api/quota/check', { json: { tenantId } }, 403, 'tenant_mismatch');
  });
});

describe('then the schema, then policy, then quota, then the thing itself', () => {
  test('400 before 429 before 404', async () => {
    const invoke = 'POST /api/v1/tools/invoke';
    await first(spent, invoke, { json: { toolId: 'no.tool' } }, 400, 'validation_failed');
    await first(spent, invoke, { json: { toolId: 'no.tool', parameters: {} } }, 429, 'quota_exceeded');
    await first(owner, invoke, { json: { toolId: 'no.tool', parameters: {} } }, 404, 'tool_not_found');
    await first(owner, invoke, { json: { toolId: 'notion.getPage', parameters: {} } }, 400, 'parameters_invalid');
    await first(owner, invoke, { json: { toolId: 'notion.whoAmI', parameters: {} } }, 409, 'credentials_not_found');
    await first(spent, 'POST /api/registry/agents/new-one/register', { json: { card: {} } }, 400, 'validation_failed');
    await first(spent, 'POST /api/registry/agents/new-one/register', { json: { card: cardOf('x') } }, 429, 'quota_exceeded');
  });

  test('400 before 403 policy_denied before 429', async () => {
    const { tenantId } = await spent.get<{ tenantId: string }>('/api/auth/whoami');
    await put(spent, tenantId, 'not-page', 'forbid(principal, action, resource == Tool::"notion.getPage");');
    const invoke = 'POST /api/v1/tools/invoke';
    await first(spent, invoke, { json: { toolId: 'notion.getPage' } }, 400, 'validation_failed');
    await first(spent, invoke, { json: { toolId: 'notion.getPage', parameters: {} } }, 403, 'policy_denied');
    await first(spent, invoke, { json: { toolId: 'notion.whoAmI', parameters: {} } }, 429, 'quota_exceeded');
  });

  test('403 agent_mismatch before 404', async () => {
    await first(
      agent,
      'POST /api/messages',
      { json: { to: 'nobody', from: 'other', messageType: 'x', payload: 1 } },
      403,
      'agent_mismatch',
    );
    await first(agent, 'POST /api/messaging/token', { json: { queue: `${tenant.id}-nobody` } }, 403, 'agent_mismatch');
    await first(agent, 'DELETE /api/registry/agents/nobody/unregister', {}, 403, 'agent_mismatch');
  });
});
