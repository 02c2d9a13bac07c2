// Identities that only a setting gives: the development identity, which no Azure setting survives, and the platform's auditor.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../local/start/secrets.ts';
import { makeKey } from '../../shared/identity/key-text.ts';
import { roles } from '../../shared/identity/scopes.ts';
import { dataFolder, type FlowGrid, startFlowGrid } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';

const script = fileURLToPath(new URL('../../local/start.ts', import.meta.url));
const folder = dataFolder();
const auditor = makeKey('platform').text;
let flowGrid: FlowGrid;

/** Runs with these in the environment, as `NAME=value npm start` does. */
async function withEnvironment<T>(values: Record<string, string>, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, values);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(values)) delete process.env[name];
  }
}

afterAll(() => folder.remove());

describe('FLOWGRID_DEV_IDENTITY=true npm start', () => {
  beforeAll(async () => {
    const settings = { FLOWGRID_DEV_IDENTITY: 'true', FLOWGRID_PLATFORM_AUDITOR_KEY_SHA256: sha256(auditor) };
    flowGrid = await withEnvironment(settings, () => startFlowGrid(folder.path, '--ephemeral'));
  });
  afterAll(() => flowGrid.stop());

  const whoami = (headers: Record<string, string>, key?: string) =>
    new Asker(flowGrid.local.api, key).ask('GET', '/api/auth/whoami', { headers });

  test('makes an owner of whoever names a tenant', async () => {
    const { status, body } = await whoami({ 'x-dev-tenant': 'acme', 'x-dev-user': 'ada@example.com' });
    expect([status, body]).toEqual([
      200,
      { tenantId: 'acme', subject: 'ada@example.com', method: 'dev', role: 'owner', scopes: roles.owner, groups: [] },
    ]);
    const own = new Asker(flowGrid.local.api);
    const headers = { 'x-dev-tenant': 'acme' };
    expect((await own.ask('GET', '/tenants/acme', { headers })).status).toBe(200);
    problemOf(await own.ask('GET', '/tenants/globex', { headers }), 404, 'not_found');
    problemOf(await own.ask('GET', '/tenants', { headers }), 403, 'scope_missing');
  });

  test.for([
    {},
    { 'x-dev-tenant': 'nobody' },
    { 'x-dev-tenant': 'platform' },
    { 'x-dev-user': 'ada' },
    { 'x-dev-tenant': 'acme', 'x-dev-user': 'a b' },
  ])('makes nobody of %j', async (headers) => {
    problemOf(await whoami(headers as Record<string, string>), 401, 'unauthenticated');
  });

  test('counts for nothing beside a credential or a cookie', async () => {
    const headers = { 'x-dev-tenant': 'globex' };
    const { apiKey = '' } = flowGrid.local.tenants.find(({ id }) => id === 'acme') ?? {};
    expect((await whoami(headers, apiKey)).body).toMatchObject({ tenantId: 'acme', method: 'api-key' });
    problemOf(await whoami(headers, 'fg_garbage'), 401, 'unauthenticated');
    problemOf(await whoami({ ...headers, authorization: 'Basic eA==' }), 401, 'unauthenticated');
    problemOf(await whoami({ ...headers, cookie: '__Host-flowgrid=x' }), 401, 'unauthenticated');
  });

  test('knows the platform’s auditor, who only reads', async () => {
    const asker = new Asker(flowGrid.local.api, auditor);
    expect(await asker.get('/api/auth/whoami')).toMatchObject({ tenantId: null, role: 'platform-auditor', scopes: ['platform:read'] });
    problemOf(await asker.ask('GET', '/tenants'), 403, 'scope_missing');
    problemOf(await asker.ask('POST', '/tenants', { json: { id: 'planted', name: 'Planted' } }), 403, 'scope_missing');
    problemOf(await asker.ask('GET', '/tenants/acme/audit'), 403, 'scope_missing');
  });
});

describe('with a setting of Azure', () => {
  afterEach(() => folder.remove());

  test.for(['WEBSITE_SITE_NAME', 'WEBSITE_INSTANCE_ID', 'IDENTITY_ENDPOINT'])('%s the development identity stops the start', (name) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [script, '--port', '0', '--data', folder.path, '--ephemeral'], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, FLOWGRID_DEV_IDENTITY: 'true', [name]: 'x' },
    });
    expect(status).toBe(1);
    expect(stdout + stderr).toContain(`refused where ${name} is set`);
  });
});
