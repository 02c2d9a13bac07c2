// `kill -9` under load at random moments: the twin, the host, both, and everything with the start command itself. What was acknowledged is there
// afterwards, and nothing that was settled comes back.
import { setTimeout as wait } from 'node:timers/promises';
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Caller } from '../../local/demo/caller.ts';
import { Envelope } from '../../shared/messaging/envelope.ts';
import { cardOf, dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, type TestTenant, until } from '../flowgrid.ts';

const rounds = 20;
const folder = dataFolder();
let flowGrid: FlowGrid;
let tenant: TestTenant;

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path);
  tenant = await newTenant(flowGrid.local, { quotas: { maxAgents: 100_000 } });
  await owner().ask('POST', '/api/registry/agents/receiver/register', { card: cardOf('Receiver'), ttlSeconds: 3_600 });
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

/** The port changes when everything is started anew. */
function owner(): Caller {
  return new Caller(flowGrid.local.api, tenant.key);
}

/** What has been acknowledged so far. */
const agents: string[] = [];
const sent = new Set<string>();
let lastCredential = 0;
let storing = 0;
const received = new Set<string>();
const settled = new Set<string>();
const returned: string[] = [];
let loading = true;

/** Runs `work` again and again while the load lasts; a call that fails is one that was not acknowledged. */
async function load(work: (count: number) => Promise<void>): Promise<void> {
  for (let count = 1; loading; count++) {
    await work(count).catch(() => wait(50));
  }
}

function writers(): Promise<void>[] {
  return [
    load(async (count) => {
      const agentId = `agent-${count}`;
      await owner().ask('POST', `/api/registry/agents/${agentId}/register`, {
        card: cardOf(agentId),
        delivery: 'push',
        endpoint: 'https://agents.example',
        ttlSeconds: 3_600,
      });
      agents.push(agentId);
    }),
    load(async (count) => {
      const { messageId } = await owner().ask<{ messageId: string }>('POST', '/api/messages', {
        to: 'receiver',
        from: 'receiver',
        messageType: 'test',
        payload: { count },
      });
      sent.add(messageId);
    }),
    load(async () => {
      storing += 1;
      const mine = storing;
      await owner().ask('POST', `/tenants/${tenant.id}/integrations/notion/credentials`, {
        accessToken: `${flowGrid.local.upstreams.rest.token}.n${mine}`,
      });
      lastCredential = mine;
    }),
  ];
}

/** Receives and completes through a connection of its own, which is made anew whenever it breaks. */
async function receive(untilEmpty: boolean): Promise<void> {
  const client = new ServiceBusClient(flowGrid.local.serviceBus.connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 3_000 } });
  try {
    const receiver = client.createReceiver(`${tenant.id}-receiver`);
    for (;;) {
      const messages = await receiver.receiveMessages(20, { maxWaitTimeInMs: 500 });
      if (messages.length === 0 && untilEmpty) return;
      for (const message of messages) {
        const number = String(message.sequenceNumber);
        if (settled.has(number)) returned.push(number);
        received.add(Envelope.parse(message.body).messageId);
        await receiver.completeMessage(message);
        settled.add(number);
      }
      if (!loading && !untilEmpty) return;
    }
  } finally {
    // A dead connection takes long to close; nobody waits for it.
    client.close().catch(() => undefined);
  }
}

async function kill9(target: 'twin' | 'host' | 'both' | 'all'): Promise<void> {
  const { pids } = flowGrid.local;
  if (target === 'all') {
    await flowGrid.killAll();
    flowGrid = await startFlowGrid(folder.path);
    return;
  }
  const victims = target === 'both' ? ['twin', 'host-0'] : target === 'twin' ? ['twin'] : ['host-0'];
  for (const name of victims) kill(pids[name] ?? 0);
  await until('local.json names the new processes', async () => victims.every((name) => flowGrid.local.pids[name] !== pids[name]));
}

test(`${rounds} rounds`, async () => {
  const load = [
    ...writers(),
    (async () => {
      while (loading) await receive(false).catch(() => wait(100));
    })(),
  ];
  const targets = ['twin', 'host', 'both', 'all', 'twin', 'host'] as const;
  for (let round = 0; round < rounds; round++) {
    await wait(100 + Math.random() * 400);
    const before = agents.length;
    await kill9(targets[round % targets.length] ?? 'all');
    await until('it takes writes again', async () => agents.length > before, 20_000);
  }
  loading = false;
  await Promise.all(load);
  await receive(true);

  expect(agents.length).toBeGreaterThan(rounds);
  expect(sent.size).toBeGreaterThan(rounds);
  expect(settled.size).toBeGreaterThan(rounds);
  // Writes.
  const listed = new Set<string>();
  for (let cursor = ''; ; ) {
    const page = await owner().ask<{ items: { agentId: string }[]; nextCursor: string | null }>(
      'GET',
      `/api/registry/agents?limit=200${cursor}`,
    );
    for (const { agentId } of page.items) listed.add(agentId);
    if (page.nextCursor === null) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  expect(agents.filter((agentId) => !listed.has(agentId))).toEqual([]);
  // Messages.
  expect([...sent].filter((messageId) => !received.has(messageId))).toEqual([]);
  expect(returned).toEqual([]);
  // Secrets: the last acknowledged, or a later one whose answer was lost.
  const who = await owner().ask<{ bot: { workspace_name: string } }>('POST', '/api/v1/tools/invoke', {
    toolId: 'notion.whoAmI',
    parameters: {},
  });
  const inForce = Number(who.bot.workspace_name.slice(1));
  expect(inForce).toBeGreaterThanOrEqual(lastCredential);
  expect(inForce).toBeLessThanOrEqual(storing);
  // And their events, written with them.
  const events = new Set<string>();
  for (let cursor = ''; ; ) {
    const page = await owner().ask<{ items: { entity: { id: string } }[]; nextCursor: string | null }>(
      'GET',
      `/tenants/${tenant.id}/audit?action=agent.registered&limit=200${cursor}`,
    );
    for (const { entity } of page.items) events.add(entity.id);
    if (page.nextCursor === null) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  expect(agents.filter((agentId) => !events.has(agentId))).toEqual([]);
  // And the ledger, of which every process that was killed had a lane, is whole.
  const { jobId } = await owner().ask<{ jobId: string }>('POST', `/tenants/${tenant.id}/audit/verify`);
  let verdict: { status: string; ok: boolean | null; lanes: number; firstBroken: unknown } | undefined;
  await until(
    'the ledger is verified',
    async () => {
      verdict = await owner().ask('GET', `/tenants/${tenant.id}/audit/verify?jobId=${jobId}`);
      return verdict?.status !== 'running';
    },
    60_000,
  );
  expect(verdict).toMatchObject({ status: 'done', ok: true, firstBroken: null });
  expect(verdict?.lanes).toBeGreaterThan(rounds / 2);
}, 240_000);
