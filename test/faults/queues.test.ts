// Queues of agents that come and go while Service Bus and Cosmos DB fail: no accepted message is lost, and an agent that is back has its queue.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { dataFolder, type FlowGrid, newTenant, startFlowGrid } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';
import { comeAndGo } from '../functions/messages/come-and-go.ts';
import { openMailbox } from '../functions/messages/mailbox.ts';

const folder = dataFolder();
let flowGrid: FlowGrid;

beforeAll(async () => {
  process.env['FLOWGRID_QUEUE_GRACE_SECONDS'] = '1';
  flowGrid = await startFlowGrid(folder.path, '--hosts', '2');
});
afterEach(async ({ task }) => {
  await setFaults([]);
  if (task.result?.state === 'fail') console.error(flowGrid.output.slice(-4_000));
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

async function setFaults(faults: object[]): Promise<void> {
  await fetch(flowGrid.local.faults, { method: 'PUT', body: JSON.stringify(faults), headers: { 'content-type': 'application/json' } });
}

test('while what they stand on fails', async () => {
  const { local } = flowGrid;
  const tenant = await newTenant(local);
  const owner = new Asker(local.api, tenant.key);
  await openMailbox(owner, tenant.id, 'sender');
  const agents = await Promise.all(Array.from({ length: 4 }, (_, at) => openMailbox(owner, tenant.id, `storm-${at}`)));
  await using stack = new AsyncDisposableStack();
  const root = stack.adopt(new ServiceBusClient(local.serviceBus.connectionString), (client) => client.close());
  await setFaults([
    { service: 'serviceBus', match: `^(GET|PUT|DELETE) /${tenant.id}-storm`, rate: 0.2, effect: '500' },
    { service: 'serviceBus', match: `^(PUT|DELETE) /${tenant.id}-storm`, rate: 0.2, effect: 'drop' },
    { service: 'serviceBus', match: '^send platform-provision', rate: 0.1, effect: '500' },
    { service: 'cosmos', match: 'POST .*/control/', rate: 0.05, effect: 'drop' },
  ]);
  const storm = comeAndGo({ owner, hosts: local.hosts, sender: 'sender', root, agents, ms: 8_000 });
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  await setFaults([]);
  const { accepted, lost } = await storm;
  expect(accepted).toBeGreaterThan(5);
  expect(lost).toEqual([]);
});
