// Whether it lives, and whether it could work: without a credential.
import { describe, expect, inject, test } from 'vitest';
import manifest from '../../../package.json' with { type: 'json' };
import { Asker } from '../asker.ts';

const local = inject('local');

describe('GET /api/health', () => {
  test('says ok and the version', async () => {
    expect(await new Asker(local.api).get('/api/health')).toEqual({ status: 'ok', version: manifest.version });
  });
});

test('asks for no credential, and minds none', async () => {
  for (const path of ['/api/health', '/api/ready', '/api/docs', '/api/openapi.json', '/problems/not_found'])
    expect(
      (await new Asker(local.api, 'fg_garbage').ask('GET', `${path}?tenantId=acme`, { headers: { 'x-tenant-id': 'acme' } })).status,
    ).toBe(200);
});

describe('GET /api/ready', () => {
  test.for([0, 1])('names every dependency of host %i', async (host) => {
    const { status, dependencies } = await new Asker(local.hosts[host] ?? '').get<{
      status: string;
      dependencies: { name: string; status: string; latencyMs: number }[];
    }>('/api/ready');
    expect(status).toBe('ready');
    expect(dependencies.map((each) => [each.name, each.status])).toEqual([
      ['cosmos', 'ok'],
      ['serviceBus', 'ok'],
      ['keyVault', 'ok'],
    ]);
    for (const { latencyMs } of dependencies) expect(latencyMs).toBeGreaterThanOrEqual(0);
  });
});
