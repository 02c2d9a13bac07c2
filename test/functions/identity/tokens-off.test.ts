// Where tokens are switched off, on a host of its own that joins the twin: none is issued, none is taken, and API keys go on.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { writeLocalJson } from '../../../local/start/local-json.ts';
import { dataFolder, type FlowGrid, newTenant, startFlowGrid } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';

const local = inject('local');
const folder = dataFolder();
let host: FlowGrid;

beforeAll(async () => {
  process.env['AUTH_JWT_AUTH_ENABLED'] = 'false';
  const file = join(folder.path, 'local.json');
  writeLocalJson(file, { ...local, pids: {} });
  host = await startFlowGrid(folder.path, '--only', 'host', '--join', file);
});
afterAll(async () => {
  delete process.env['AUTH_JWT_AUTH_ENABLED'];
  await host?.stop();
  folder.remove();
});

test('no token is issued or taken', async () => {
  const { key } = await newTenant(local);
  const off = new Asker(host.local.hosts.at(-1) ?? '');
  const json = { grant_type: 'client_credentials', client_secret: key };
  const { access_token: token } = await new Asker(local.api).post<{ access_token: string }>('/api/auth/token', json);
  const headers = { authorization: `Bearer ${token}` };
  expect((await new Asker(local.api).ask('GET', '/api/auth/whoami', { headers })).status).toBe(200);
  problemOf(await off.ask('GET', '/api/auth/whoami', { headers }), 401, 'unauthenticated');
  problemOf(await off.ask('POST', '/api/auth/token', { json }), 400, 'unsupported_grant_type');
  expect((await off.ask('GET', '/api/auth/whoami', { headers: { 'x-api-key': key } })).status).toBe(200);
  expect(await off.get('/.well-known/openid-configuration')).toMatchObject({ issuer: local.api, grant_types_supported: [] });
  expect(await off.get('/.well-known/oauth-protected-resource')).not.toHaveProperty('authorization_servers');
});
