// What was accepted before a tenant was suspended goes on when the tenant does, not when some sweep comes round.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Caller } from '../../../local/demo/caller.ts';
import { DependencyError, Problem } from '../../../shared/errors/problem.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import { replace } from '../../../shared/storage/documents.ts';
import { settleTenant } from '../../../shared/tenancy/settle.ts';
import { Tenants, tenantRecord } from '../../../shared/tenancy/tenant.ts';
import { newTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { scopeOf, servicesBeside } from './beside.ts';
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

test('what lies in queues that were opened is looked at before they are known to be open', async () => {
  const services = servicesBeside(local);
  try {
    const { key } = await newTenant(local);
    const scope = await scopeOf(services, key);
    const cause = { actor: { type: 'system', id: 'test', method: 'internal' }, requestId: 'resumed' } as const;
    const statusOf = async () => (await services.tenantRecords.read(scope))?.body.queueStatus;
    // As a suspension that has just been undone leaves it.
    await services.ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Tenants, tenantRecord);
      if (!present) return new Problem('not_found');
      const event = { action: 'queues.closed', entity: { type: 'tenant', id: scope.tenantId } };
      return { changes: [replace(Tenants, present, { ...present.body, queueStatus: 'Disabled' })], event, result: undefined };
    });
    const away = { seeTo: () => Promise.reject(new DependencyError('serviceBus', 'away')) };
    await expect(settleTenant({ ...services, dispatchSweep: away }, scope, cause)).rejects.toThrow(DependencyError);
    expect(await statusOf()).toBe('Disabled');
    await settleTenant(services, scope, cause);
    expect(await statusOf()).toBe('Active');
  } finally {
    await services.close();
  }
});

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
