// Two tenants with the same names for everything, side by side: what one does is never seen or felt by the other.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { verifyEnvelope } from '../../shared/messaging/envelope.ts';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';
import { clientWith, type Mailbox, openMailbox, take } from '../functions/messages/mailbox.ts';
import { settledTrail } from '../functions/trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Side {
  readonly tenant: TestTenant;
  readonly owner: Asker;
  readonly agent: Mailbox;
}

async function side(host: string): Promise<Side> {
  const tenant = await newTenant(local);
  const owner = new Asker(host, tenant.key);
  const agent = await openMailbox(owner, tenant.id, 'shared-name', [{ id: 'shared-skill' }]);
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
  return { tenant, owner, agent };
}

let one: Side;
let two: Side;
beforeAll(async () => {
  [one, two] = await Promise.all([side(here), side(there)]);
});

describe('two tenants that name everything alike', () => {
  test('see their own agents', async () => {
    await two.owner.post('/api/registry/agents/shared-name/register', {
      card: { ...cardOf('Two’s own', [{ id: 'shared-skill' }]), description: two.tenant.id },
    });
    for (const host of [here, there]) {
      expect(await one.owner.at(host).get('/api/registry/agents/shared-name')).toMatchObject({ name: 'shared-name' });
      for (const path of ['/api/registry/agents', '/api/registry/agents?status=all', '/api/registry/agents/search?skill=shared-skill'])
        expect(JSON.stringify(await one.owner.at(host).get(path))).not.toContain(two.tenant.id);
    }
    const { body } = await one.owner.ask<{ total: number }>('GET', '/api/registry/agents');
    expect(body.total).toBe(1);
  });

  test('end their own', async () => {
    await two.owner.post('/api/registry/agents/passing/register', { card: cardOf('Passing') });
    expect((await one.owner.ask('DELETE', '/api/registry/agents/passing/unregister')).status).toBe(204);
    expect((await two.owner.ask('GET', '/api/registry/agents/passing')).status).toBe(200);
  });

  test('write to their own, by id and by skill', async () => {
    for (const to of ['shared-name', { skill: 'shared-skill' }]) {
      for (const { tenant, owner, agent } of [one, two]) {
        const sent = await owner.post<{ messageId: string; queue: string }>('/api/messages', {
          to,
          from: 'shared-name',
          messageType: 'x',
          payload: tenant.id,
        });
        expect(sent.queue).toBe(`${tenant.id}-shared_name`);
        const [taken] = await take(await agent.token(), 1);
        expect(taken?.body).toMatchObject({ messageId: sent.messageId, tenantId: tenant.id, payload: tenant.id });
      }
    }
  });

  test('cannot listen at, write to or read what is the other’s', async () => {
    const { messageId } = await two.owner.post<{ messageId: string }>('/api/messages', {
      to: 'shared-name',
      from: 'shared-name',
      messageType: 'x',
      payload: 1,
    });
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(clientWith(await one.agent.token()), (each) => each.close());
    for (const queue of [two.agent.queue, `${two.tenant.id}-dlq`]) {
      await expect(client.createReceiver(queue).receiveMessages(1, { maxWaitTimeInMs: 500 })).rejects.toMatchObject({
        code: 'UnauthorizedAccess',
      });
      await expect(client.createSender(queue).sendMessages({ body: 1 })).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
    }
    const [taken] = await take(await two.agent.token(), 1);
    expect(taken?.messageId).toBe(messageId);
    // And if it had it, its key would not open it.
    const expectation = { tenantId: two.tenant.id, recipient: 'shared-name', keys: [one.agent.key], now: Date.now() };
    expect(verifyEnvelope(taken?.body, expectation)).toEqual({ refused: 'signature_invalid' });
    expect(verifyEnvelope(taken?.body, { ...expectation, tenantId: one.tenant.id })).toEqual({ refused: 'tenant_mismatch' });
  });

  test('call tools with their own credential, again and again and at once', async () => {
    const workspace = async ({ owner }: Side, host: string) =>
      (await owner.at(host).post<{ bot: { workspace_name: string } }>('/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} }))
        .bot.workspace_name;
    const sides = Array.from({ length: 24 }, (_, at) => (at % 3 === 0 ? two : one));
    const seen = await Promise.all(sides.map((each, at) => workspace(each, at % 2 === 0 ? here : there)));
    expect(seen).toEqual(sides.map(({ tenant }) => tenant.id));
  });

  test('use up their own quota and read their own trail', async () => {
    const { used } = await two.owner.post<{ used: number }>('/api/quota/check', { meter: 'maxToolCallsPerDay' });
    await one.owner.post('/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} });
    expect(await two.owner.post('/api/quota/check', { meter: 'maxToolCallsPerDay' })).toMatchObject({ used });
    for (const [mine, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const events = await settledTrail(mine.owner, mine.tenant.id);
      expect(events.every(({ tenantId }) => tenantId === mine.tenant.id)).toBe(true);
      expect(JSON.stringify(events)).not.toContain(other.tenant.id);
    }
  });
});

describe('the key of an agent', () => {
  test('acts for that agent and no other', async () => {
    const { owner, agent } = one;
    await owner.post('/api/registry/agents/neighbour/register', { card: cardOf('Neighbour') });
    const mine = (method: string, path: string, json?: unknown) => agent.asker.ask(method, path, json === undefined ? {} : { json });
    const neighbour = '/api/registry/agents/neighbour';
    problemOf(await mine('POST', `${neighbour}/register`, { card: cardOf('Mine now') }), 403, 'agent_mismatch');
    problemOf(await mine('DELETE', `${neighbour}/unregister`), 403, 'agent_mismatch');
    problemOf(
      await mine('POST', '/api/messages', { to: 'neighbour', from: 'neighbour', messageType: 'x', payload: 1 }),
      403,
      'agent_mismatch',
    );
    problemOf(await mine('POST', '/api/messaging/token', { queue: `${one.tenant.id}-neighbour` }), 403, 'agent_mismatch');
    expect(await owner.get(neighbour)).toMatchObject({ name: 'Neighbour' });

    expect((await mine('GET', neighbour)).status).toBe(200);
    expect((await mine('GET', '/api/registry/agents/search?skill=shared-skill')).status).toBe(200);
    expect((await mine('POST', '/api/messages', { to: 'neighbour', messageType: 'x', payload: 1 })).status).toBe(202);
    expect((await mine('GET', '/api/v1/tools')).status).toBe(200);
    expect((await mine('POST', '/api/v1/tools/invoke', { toolId: 'notion.whoAmI', parameters: {} })).status).toBe(200);
  });

  test.for([
    ['GET', ''],
    ['GET', '/audit'],
    ['GET', '/quota'],
    ['GET', '/integrations'],
    ['POST', '/integrations/notion/credentials'],
    ['POST', '/agents/shared-name/environment'],
  ] as const)('does not manage the tenant: %s /tenants/{tenantId}%s', async ([method, path]) => {
    problemOf(await one.agent.asker.ask(method, `/tenants/${one.tenant.id}${path}`), 403, 'scope_missing');
  });
});
