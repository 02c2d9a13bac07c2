// Suspending a tenant stops everything of it and loses nothing; resuming brings it all back.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, expect, inject, test } from 'vitest';
import { randomName } from '../../../shared/clock/clock.ts';
import { newTenant, until } from '../../flowgrid.ts';
import { Asker, codeOf, problemOf } from '../asker.ts';
import { clientWith, openMailbox, take } from '../messages/mailbox.ts';
import { promisedMs } from '../promised.ts';
import { settledTrail } from '../trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const platform = new Asker(here, local.platformKey);
const broker = new ServiceBusClient(local.serviceBus.connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 3_000 } });
afterAll(() => broker.close());

const turn = (id: string, verb: 'suspend' | 'resume', by = platform) => by.ask<{ status: string }>('POST', `/tenants/${id}/${verb}`);

async function mayBeSentTo(queue: string): Promise<boolean> {
  const sender = broker.createSender(queue);
  try {
    await sender.createMessageBatch();
    return true;
  } catch (error) {
    // A link that is being opened while its queue is closed only hears that it failed.
    expect(['MessagingEntityDisabled', 'GeneralError']).toContain((error as { code?: string }).code);
    return false;
  } finally {
    await sender.close();
  }
}

test('keys and queues stop on every host and come back as they were, messages included', async () => {
  const tenant = await newTenant(local);
  const owner = new Asker(here, tenant.key);
  const [mailbox, keeper] = [await openMailbox(owner, tenant.id, 'worker'), await openMailbox(owner, tenant.id, 'keeper')];
  const send = (round: number) => owner.post('/api/messages', { to: 'keeper', from: 'worker', messageType: 'test', payload: { round } });
  await send(1);
  const token = await mailbox.token();

  const listening = clientWith(token);
  const told: string[] = [];
  listening.createReceiver(token.queue, { receiveMode: 'peekLock' }).subscribe(
    {
      processMessage: async () => {},
      processError: async ({ error }) => void told.push('code' in error ? String(error.code) : error.name),
    },
    { autoCompleteMessages: false },
  );
  const suspended = await turn(tenant.id, 'suspend');
  expect([suspended.status, suspended.body]).toMatchObject([200, { id: tenant.id, status: 'suspended' }]);
  problemOf(await owner.ask('GET', `/tenants/${tenant.id}`), 403, 'tenant_suspended');
  const at = performance.now();
  await until(
    'the other host refuses',
    async () => codeOf(await owner.at(there).ask('GET', '/api/auth/whoami')) === 'tenant_suspended',
    promisedMs,
  );
  console.info(`suspension seen on the other host after ${Math.round(performance.now() - at)} ms`);
  problemOf(await mailbox.asker.ask('POST', '/api/messaging/token', { json: { queue: token.queue } }), 403, 'tenant_suspended');
  for (const queue of ['worker', 'agents', 'orchestrator', 'dlq'])
    await until(`${queue} is closed`, async () => !(await mayBeSentTo(`${tenant.id}-${queue}`)));
  await until('the listening agent is told', async () => told.includes('MessagingEntityDisabled'));
  await listening.close();
  expect((await turn(tenant.id, 'suspend', platform.at(there))).body).toMatchObject({ status: 'suspended' });
  expect(await platform.get(`/tenants/${tenant.id}`)).toMatchObject({ status: 'suspended' });

  expect((await turn(tenant.id, 'resume', platform.at(there))).body).toMatchObject({ status: 'active' });
  const back = performance.now();
  await until('the keys are back', async () => (await owner.ask('GET', '/api/auth/whoami')).status === 200, promisedMs);
  console.info(`resumption seen on the other host after ${Math.round(performance.now() - back)} ms`);
  for (const queue of ['worker', 'agents', 'orchestrator', 'dlq'])
    await until(`${queue} is open`, () => mayBeSentTo(`${tenant.id}-${queue}`));
  await send(2);
  expect((await take(await keeper.token(), 2)).map(({ body }) => body.payload)).toEqual([{ round: 1 }, { round: 2 }]);

  const events = await settledTrail(owner, tenant.id);
  const actions = events.map(({ action }) => action);
  for (const action of ['tenant.suspended', 'tenant.resumed', 'queues.closed', 'queues.opened'])
    expect(
      actions.filter((each) => each === action),
      action,
    ).toHaveLength(1);
  expect(events.find(({ action }) => action === 'tenant.suspended')).toMatchObject({
    actor: { type: 'platform' },
    old: { status: 'active' },
    new: { status: 'suspended' },
  });
});

test('whatever is said last holds, however fast it is said', async () => {
  const tenant = await newTenant(local);
  const verbs = ['suspend', 'resume', 'suspend', 'resume', 'suspend', 'resume'] as const;
  for (const [at, verb] of verbs.entries()) await turn(tenant.id, verb, platform.at(at % 2 === 0 ? here : there));
  await until('it is open', () => mayBeSentTo(`${tenant.id}-agents`));
  await Promise.all(verbs.map((verb, at) => turn(tenant.id, verb, platform.at(at % 2 === 0 ? here : there))));
  await turn(tenant.id, 'suspend');
  await until('it is closed', async () => !(await mayBeSentTo(`${tenant.id}-orchestrator`)));
  expect(await platform.get(`/tenants/${tenant.id}`)).toMatchObject({ status: 'suspended' });
});

test('a tenant that is being made is suspended all the same, made to the end, and resumed', async () => {
  const id = `t-${randomName(8)}`;
  const made = await platform.post<{ ownerKey: { key: string } }>('/tenants', { id, name: id });
  await turn(id, 'suspend');
  problemOf(await new Asker(here, made.ownerKey.key).ask('GET', `/tenants/${id}`), 403, 'tenant_suspended');
  await until('it is made', async () =>
    (await platform.get<{ provisioning: { state: string }[] }>(`/tenants/${id}`)).provisioning.every(({ state }) => state === 'done'),
  );
  await until('its queues are closed', async () => !(await mayBeSentTo(`${id}-agents`)));
  await turn(id, 'resume');
  await until('it is active', async () => (await platform.get<{ status: string }>(`/tenants/${id}`)).status === 'active');
  await until('its queues are open', () => mayBeSentTo(`${id}-agents`));
});

test('is for the platform, of tenants there are', async () => {
  const tenant = await newTenant(local);
  for (const verb of ['suspend', 'resume'] as const) {
    problemOf(await turn(tenant.id, verb, new Asker(here, tenant.key)), 403, 'scope_missing');
    problemOf(await turn(`t-${randomName(8)}`, verb), 404, 'not_found');
  }
});
