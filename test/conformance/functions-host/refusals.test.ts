// What Azure would not start or this host does not model stops the start, naming function and reason.
import { describe, expect, it } from 'vitest';
import { startHost } from './host-process.ts';

const env = {
  BUS: 'Endpoint=sb://127.0.0.1;SharedAccessKeyName=a;SharedAccessKey=b',
  MANAGED__fullyQualifiedNamespace: 'x.servicebus.windows.net',
};

describe.concurrent('an app is refused', () => {
  it.each([
    ['none', 'The app registered no functions.'],
    ['admin', 'Function "health": the route "Admin/health" conflicts with the host\'s own'],
    ['runtime', 'Function "runtimeInfo": the route "runtimeInfo" conflicts'],
    ['key', 'only authLevel "anonymous" is'],
    ['twice', 'A function with id "Same" has already been registered.'],
    ['same route', 'Function "two": POST X/{id} conflicts with the route of function "one"'],
    ['name', "'1st' is not a valid function name."],
    ['constraint', 'the route constraint ":regex(^a$)" is not modelled'],
    ['complex', 'the route segment "v{version}" is not modelled'],
    ['slash', 'Function "r": the route "/x" must not begin with'],
    ['catch-all', 'a catch-all parameter must come last'],
    ['blob', 'the trigger blobTrigger is not modelled'],
    ['output', '(queue) is not modelled'],
    ['input', '(blob) is not modelled'],
    ['topic', 'only queues are modelled, no topics'],
    ['sessions', 'sessions are not modelled'],
    ['batch', 'batches (cardinality "many") are not modelled'],
    ['no connection', 'there is no app setting MISSING'],
    ['identity', 'the identity-based connection MANAGED__'],
    ['no setting', "'%MISSING%' does not resolve to a value"],
    ['schedule', 'Function "t": the schedule "61 * * * * *" is not valid'],
    ['never', 'the schedule "0 0 0 31 2 *" never comes'],
    ['time span', 'time spans are not modelled'],
    ['retry', 'Function "t": retry policies are not modelled.'],
  ])('%s', async (name, reason) => {
    const hostJson = { extensions: { http: { routePrefix: '' } } };
    await expect(startHost('refused', { hostJson, env: { ...env, CASE: name } })).rejects.toThrow(reason);
  });

  it.each([
    ['version', { version: '1.0' }],
    ['customHeaders', { extensions: { http: { customHeaders: {} } } }],
    ['queues', { extensions: { queues: {} } }],
    ['logLevel', { logging: { logLevel: { default: 'loud' } } }],
  ])('host.json: %s', async (name, hostJson) => {
    await expect(startHost('settings', { hostJson })).rejects.toThrow(new RegExp(`host\\.json is not modelled[^]*${name}`));
  });
});
