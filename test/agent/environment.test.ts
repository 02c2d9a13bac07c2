// What an agent refuses to start with: everything that is wrong, at once, by name and never by value.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { EnvironmentError } from '../../agent/agent.ts';
import { readEnvironment } from '../../agent/environment.ts';
import { newTenant } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';

const local = inject('local');
let good: Record<string, string>;
let dotenv: string;
beforeAll(async () => {
  const { id, key } = await newTenant(local);
  const owner = new Asker(local.api, key);
  const path = `/tenants/${id}/agents/night-watch/environment`;
  good = await owner.post<Record<string, string>>(path);
  dotenv = (await owner.ask<string>('POST', path, { headers: { accept: 'text/plain' } })).body;
});

function problemsOf(environment: Record<string, string | undefined>): readonly string[] {
  try {
    readEnvironment(environment);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    for (const problem of error.problems) expect(error.message).toContain(problem);
    return error.problems;
  }
  return [];
}

const namesOf = (problems: readonly string[]) => problems.map((problem) => problem.split(':')[0]);

describe('the environment of an agent', () => {
  test('as FlowGrid makes it, is taken, whatever else is there', () => {
    const { FLOWGRID_TENANT_ID: tenantId = '', FLOWGRID_TENANT_SECRET: secret = '', FLOWGRID_API_TOKEN: apiToken } = good;
    expect(readEnvironment({ ...good, PATH: '/bin', FLOWGRID_OTHER: 'x' })).toEqual({
      tenantId,
      agentId: 'night-watch',
      agentName: 'night-watch',
      verificationKey: { keyId: secret.split('.')[0], key: Buffer.from(secret.split('.')[1] ?? '', 'base64url') },
      registryUrl: local.api,
      apiToken,
      queue: `${tenantId}-night_watch`,
    });
  });

  test('may bring a connection string, if it is one', () => {
    const SERVICEBUS_CONNECTION_STRING = 'Endpoint=sb://bus.example/;SharedAccessKeyName=listen;SharedAccessKey=c2VjcmV0';
    expect(readEnvironment({ ...good, SERVICEBUS_CONNECTION_STRING }).connectionString).toBe(SERVICEBUS_CONNECTION_STRING);
    expect(problemsOf({ ...good, SERVICEBUS_CONNECTION_STRING: 'c2VjcmV0' })).toEqual([
      'SERVICEBUS_CONNECTION_STRING: no connection string of Service Bus',
    ]);
  });

  test('as dotenv, is the same', () => {
    const read = Object.fromEntries(
      dotenv
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(problemsOf(read)).toEqual([]);
    expect(Object.keys(read)).toEqual(Object.keys(good));
  });

  test('that is empty, is refused with every name', () => {
    expect(namesOf(problemsOf({})).sort()).toEqual(Object.keys(good).sort());
    expect(namesOf(problemsOf(Object.fromEntries(Object.keys(good).map((name) => [name, ''])))).sort()).toEqual(Object.keys(good).sort());
  });

  test('says all that is wrong at once, and no value', () => {
    const wrong = {
      FLOWGRID_TENANT_ID: 'Not A Tenant',
      FLOWGRID_TENANT_SECRET: 'k1.tooshort',
      FLOWGRID_REGISTRY_URL: 'ftp://x',
      AGENT_ID: 'NO',
    };
    const problems = problemsOf({ ...good, ...wrong });
    expect(namesOf(problems).sort()).toEqual(Object.keys(wrong).sort());
    for (const value of Object.values(wrong)) expect(problems.join()).not.toContain(value);
  });

  test.for([
    ['of another agent', { AGENT_ID: 'day-watch' }],
    ['of another tenant', { FLOWGRID_TENANT_ID: 'acme' }],
    ['with the queue of another agent', { SERVICEBUS_DEDICATED_QUEUE: 'acme-day_watch' }],
    ['with the queue of all push agents', { SERVICEBUS_DEDICATED_QUEUE: 'acme-agents' }],
  ] as const)('%s, does not fit together', ([, wrong]) => {
    expect(namesOf(problemsOf({ ...good, ...wrong }))).toEqual(['SERVICEBUS_DEDICATED_QUEUE']);
  });
});
