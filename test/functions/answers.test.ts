// What every answer bears (api.md, Common rules), where a single test shows it. `Asker` holds all other answers of these suites to it in passing.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from './asker.ts';
import { settledTrail } from './trail.ts';

const local = inject('local');
let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
});

const anyone = new Asker(local.api);

describe('every answer', () => {
  test('has a request id of its own, whatever the caller calls it', async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () =>
        (await anyone.ask('GET', '/api/health', { headers: { 'x-request-id': 'mine' } })).headers.get('x-request-id'),
      ),
    );
    expect(new Set(ids).size).toBe(5);
    expect(ids).not.toContain('mine');
  });

  test('goes on with the trace it came in', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const { headers } = await owner.ask('GET', '/api/auth/whoami', { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-00` } });
    expect(headers.get('traceparent')).toMatch(new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-00$`));
    const refused = await owner.ask('GET', '/tenants', { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } });
    expect(refused.headers.get('traceparent')).toContain(trace);
  });

  test.for([
    'rubbish',
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
    'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more',
  ])('begins a trace where it came with none that is valid: %s', async (traceparent) => {
    const { headers } = await anyone.ask('GET', '/api/health', { headers: { traceparent } });
    expect(headers.get('traceparent')).not.toMatch(/4bf92f3577b34da6a3ce929d0e0e4736|0{32}/);
  });

  test('bears the request id and the trace under which its event is told', async () => {
    const { headers } = await owner.ask('POST', `/tenants/${tenant.id}/agents/traced/environment`);
    const [event] = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'key.created');
    expect(event).toMatchObject({ requestId: headers.get('x-request-id'), traceId: headers.get('traceparent')?.slice(3, 35) });
  });

  test('tells where its time went when it is authenticated and good, and only then', async () => {
    const timing = async (by: Asker, path: string) => (await by.ask('GET', path)).headers.get('server-timing');
    expect(await timing(owner, '/api/registry/agents')).toMatch(/^auth;dur=\d/);
    expect(await timing(anyone, '/api/registry/agents')).toBeNull();
    expect(await timing(owner, '/api/registry/agents/nobody')).toBeNull();
    expect(await timing(anyone, '/api/health')).toBeNull();
  });
});

describe('a problem', () => {
  test('has these members, and a type that leads somewhere', async () => {
    const { body } = await owner.ask<{ type: string }>('GET', '/api/registry/agents/nobody?secret=1');
    expect(body).toEqual({
      type: '/problems/not_found',
      title: 'Not found',
      status: 404,
      detail: expect.stringMatching(/./),
      instance: '/api/registry/agents/nobody',
      code: 'not_found',
      requestId: expect.any(String),
    });
    expect(await anyone.get(body.type)).toMatchObject({ code: 'not_found', status: 404, title: 'Not found' });
  });

  test('points at each fault: in the path, the query and the body at once', async () => {
    const path = '/api/registry/agents/Not-An-Id/register?x=1';
    const { errors } = problemOf(await owner.ask('POST', path, { json: { card: 5, ttlSeconds: 1, '~/x': 1 } }), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/path/id', '/card', '/ttlSeconds', '']);
    for (const { message } of errors ?? []) expect(message).toMatch(/./);
  });

  test('names at most fifty faults, and never repeats what was sent', async () => {
    const securitySchemes = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`s/${at}~`, 'sk-secret']));
    const json = { card: { name: 'x', description: 'x', version: '1', capabilities: {}, securitySchemes } };
    const answer = await owner.ask('POST', '/api/registry/agents/faulty/register', { json });
    const { errors } = problemOf(answer, 400, 'validation_failed');
    expect(errors).toHaveLength(50);
    expect(errors?.map(({ pointer }) => pointer)).toContain('/card/securitySchemes/s~10~0');
    expect(JSON.stringify(answer.body)).not.toContain('sk-secret');
    const unknown = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`field-${at}`, 1]));
    expect(JSON.stringify((await owner.ask('POST', '/api/quota/check', { json: unknown })).body).length).toBeLessThan(5_000);
  });

  test('of an unknown caller says how to be known', async () => {
    const answer = await anyone.ask('GET', '/api/auth/whoami');
    problemOf(answer, 401, 'unauthenticated');
    const metadata = `${local.api}/.well-known/oauth-protected-resource`;
    expect(answer.headers.get('www-authenticate')).toBe(`Bearer realm="flowgrid", resource_metadata="${metadata}"`);
    expect(await anyone.get(new URL(metadata).pathname)).toMatchObject({ resource: local.api });
  });
});
