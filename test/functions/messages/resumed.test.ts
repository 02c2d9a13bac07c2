// What was accepted before a tenant was suspended goes on when the tenant does, not when some sweep comes round.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Caller } from '../../../local/demo/caller.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import { newTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { Endpoint, registerPush } from './endpoint.ts';

const local = inject('local');
const platform = new Caller(local.api, local.platformKey);
/** Until a delivery that was refused is tried again, as the endpoint asks. */
const pauseSeconds = 4;

let endpoint: Endpoint;
beforeAll(async () => {
  endpoint = await Endpoint.open();
});
afterAll(() => endpoint[Symbol.asyncDispose]());

test('a delivery that fell due while its tenant was suspended is made when the tenant is resumed', async () => {
  const { id, key } = await newTenant(local);
  const owner = new Asker(local.api, key);
  await registerPush(owner, id, AgentId.parse('pushed'), { endpoint: `${endpoint.base}/resumed` });
  endpoint.told.set('/resumed', { status: 503, headers: { 'retry-after': String(pauseSeconds) } });
  await owner.post('/api/messages', { to: 'pushed', from: 'pushed', messageType: 'note', payload: {} });
  const arrivals = () => endpoint.at('/resumed').length;
  await until('it is tried', async () => arrivals() === 1);
  await platform.ask('POST', `/tenants/${id}/suspend`);
  endpoint.told.delete('/resumed');
  await wait((pauseSeconds + 3) * 1_000);
  expect(arrivals()).toBe(1);
  await platform.ask('POST', `/tenants/${id}/resume`);
  await until('it is delivered', async () => arrivals() === 2, 15_000);
}, 60_000);
