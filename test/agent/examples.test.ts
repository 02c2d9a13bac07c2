// The examples, as somebody would run them: processes with nothing but their environments.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, inject, test } from 'vitest';
import { AgentProcess } from '../../local/demo/agent-process.ts';
import { cardOf, newTenant } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';
import { settledTrail } from '../functions/trail.ts';

const local = inject('local');
const started: AgentProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((agent) => agent.stop()));
});

async function start(example: 'incident-agent' | 'knowledge-agent', owner: Asker, tenantId: string): Promise<AgentProcess> {
  const environment = await owner.post<Record<string, string>>(`/tenants/${tenantId}/agents/${example}/environment`);
  const agent = new AgentProcess(example, { ...environment, PATH: process.env['PATH'] ?? '' });
  started.push(agent);
  await agent.event('ready');
  return agent;
}

test('answer a question by writing a page with the credential of their tenant, and end in order', async () => {
  const tenant = await newTenant(local);
  const owner = new Asker(local.api, tenant.key);
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
  await owner.post('/api/registry/agents/asker/register', { card: cardOf('Asker') });
  const running = await start('knowledge-agent', owner, tenant.id);
  const { messageId } = await owner.post<{ messageId: string }>('/api/messages', {
    to: { skill: 'search_knowledge_base' },
    from: 'asker',
    messageType: 'knowledge.search',
    payload: { query: 'what is known?' },
  });
  const answered = await running.event('answered');
  expect(answered).toEqual({ event: 'answered', from: 'asker', messageId, page: expect.any(String) });
  const page = await owner.post('/api/v1/tools/invoke', { toolId: 'notion.getPage', parameters: { page_id: answered.page } });
  expect(JSON.stringify(page)).toContain('Known about: what is known?');

  expect(await running.stop()).toBe(0);
  problemOf(await owner.ask('GET', '/api/registry/agents/knowledge-agent'), 404, 'not_found');
  const events = (await settledTrail(owner, tenant.id)).filter(({ actor }) => actor.type === 'agent' && actor.id === 'knowledge-agent');
  expect(events.map(({ action }) => action).reverse()).toEqual([
    'agent.registered',
    'queue.token_issued',
    expect.stringMatching(/^(tool.attempted|tenant_credential_access)$/),
    expect.stringMatching(/^(tool.attempted|tenant_credential_access)$/),
    'tool.invoked',
    'message.sent',
    'agent.unregistered',
  ]);
});

test('handle an incident together: one asks, the other answers with a tool; alone, the one goes without', async () => {
  const tenant = await newTenant(local);
  const owner = new Asker(local.api, tenant.key);
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
  await owner.post('/api/registry/agents/monitoring/register', { card: cardOf('Monitoring') });
  const tell = (id: string) =>
    owner.post<{ messageId: string }>('/api/messages', {
      to: { skill: 'triage_incident' },
      from: 'monitoring',
      messageType: 'incident.created',
      payload: { id, description: 'database at 100 % CPU' },
    });
  const incidents = await start('incident-agent', owner, tenant.id);
  const alone = await tell('first');
  expect(await incidents.event('triaged')).toEqual({ event: 'triaged', incident: 'first', messageId: alone.messageId, page: null });

  const knowledge = await start('knowledge-agent', owner, tenant.id);
  const { messageId } = await tell('second');
  const answered = await knowledge.event('answered');
  expect(answered).toMatchObject({ from: 'incident-agent' });
  expect(await incidents.event('triaged', 'second')).toEqual({ event: 'triaged', incident: 'second', messageId, page: answered.page });
});

test('say what is wrong with their environment, and end', async () => {
  const script = fileURLToPath(new URL('../../agent/examples/knowledge-agent.ts', import.meta.url));
  const child = spawn(process.execPath, [script], { env: { AGENT_ID: 'NO' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part: Buffer) => (said += part));
  const [code] = await once(child, 'exit');
  expect(code).toBe(1);
  for (const name of [
    'FLOWGRID_TENANT_ID',
    'FLOWGRID_TENANT_SECRET',
    'FLOWGRID_API_TOKEN',
    'AGENT_ID: not an agent id',
    'SERVICEBUS_DEDICATED_QUEUE',
  ])
    expect(said).toContain(name);
});
