// What an agent learns while it runs: the keys that follow the one it was started with, and where large payloads lie.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Envelope } from '../../agent/agent.ts';
import { KeyRing } from '../../agent/key-ring.ts';
import { sign } from '../../shared/messaging/signature.ts';
import { newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';
import { Agents } from './running.ts';

const local = inject('local');
let tenant: TestTenant;
let owner: Asker;
let agents: Agents;
let root: ServiceBusClient;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  agents = new Agents(tenant, owner);
  root = new ServiceBusClient(local.serviceBus.connectionString);
});
afterEach(() => agents.stopAll());
afterAll(() => root.close());

async function reader(agentId: string) {
  const handled: Envelope[] = [];
  const running = await agents.start(agentId, { note: (envelope) => void handled.push(envelope) });
  const send = (payload: unknown) =>
    owner.post<{ messageId: string }>('/api/messages', { to: agentId, from: agentId, messageType: 'note', payload });
  return { ...running, handled, send };
}

describe('a payload too large for its envelope', () => {
  const large = { text: 'é'.repeat(150_000), of: 'many' };

  test('is there when it is handled', async () => {
    const { handled, problems, send } = await reader('large');
    await send(large);
    await until('it is handled', async () => handled.length === 1);
    expect(handled[0]?.payload).toEqual(large);
    expect(problems).toEqual([]);
  });

  test('is asked for again when its address has ended, and never taken from elsewhere', async () => {
    const { handled, problems, send, environment } = await reader('late');
    const { messageId } = await send(large);
    await until('it is handled', async () => handled.length === 1);
    const content = JSON.stringify(large);
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/gone' ? 403 : 200).end(content.replace('many', 'none'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [keyId = '', key = ''] = environment['FLOWGRID_TENANT_SECRET']?.split('.') ?? [];
    const sender = root.createSender(environment['SERVICEBUS_DEDICATED_QUEUE'] ?? '');
    const claim = { sha256: createHash('sha256').update(content).digest('hex'), size: Buffer.byteLength(content) };
    for (const [id, path] of [
      [`${messageId}-forged`, '/forged'],
      [messageId, '/gone'],
    ]) {
      const { signature: _, ...rest } = handled[0] ?? {};
      const envelope = { ...rest, messageId: id, payload: { $claim: { url: base + path, ...claim } } };
      await sender.sendMessages({ body: { ...envelope, signature: sign(envelope, { keyId, key: Buffer.from(key, 'base64url') }) } });
    }
    await sender.close();
    // The second bears the id of one that came: it is a replay, unless the agent is another that never saw it.
    await until('both are refused', async () => problems.length === 2);
    expect(problems.sort()).toEqual(['a message was refused: replayed', 'a message was refused: signature_invalid']);
    expect(handled).toHaveLength(1);
    server.close();
  });

  test('is read late by who starts late', async () => {
    const first = await reader('sleeper');
    const { messageId } = await first.send(large);
    await until('it is handled', async () => first.handled.length === 1);
    await first.agent.stop();
    const server = createServer((_, response) => void response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const content = JSON.stringify(large);
    const { signature: _, ...rest } = first.handled[0] ?? {};
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ended`;
    const payload = { $claim: { url, sha256: createHash('sha256').update(content).digest('hex'), size: Buffer.byteLength(content) } };
    const envelope = { ...rest, messageId, payload };
    const [keyId = '', key = ''] = first.environment['FLOWGRID_TENANT_SECRET']?.split('.') ?? [];
    const sender = root.createSender(first.environment['SERVICEBUS_DEDICATED_QUEUE'] ?? '');
    await sender.sendMessages({ body: { ...envelope, signature: sign(envelope, { keyId, key: Buffer.from(key, 'base64url') }) } });
    await sender.close();
    // What it sees is the same message, whose address in the envelope opens nothing any more.
    const second = await reader('sleeper');
    await until('it is handled', async () => second.handled.length === 1);
    expect(second.handled[0]?.payload).toEqual(large);
    server.close();
  });
});

describe('the keys', () => {
  test('that follow the one the agent was started with, are learned when they are needed', async () => {
    const { handled, problems, send, environment } = await reader('learner');
    await send('before');
    const { signsFrom, keyId } = await owner.post<{ signsFrom: string; keyId: string }>(`/tenants/${tenant.id}/messaging/rotate`, {
      overlapSeconds: 0,
    });
    await until('the new one signs', async () => Date.parse(signsFrom) < Date.now());
    const sent = await send('after');
    await until('both are handled', async () => handled.length === 2);
    expect(handled.map(({ payload }) => payload)).toEqual(['before', 'after']);
    expect(handled[1]).toMatchObject({ messageId: sent.messageId, signature: expect.stringContaining(`v1.${keyId}.`) });
    expect(environment['FLOWGRID_TENANT_SECRET']?.startsWith(`${keyId}.`)).toBe(false);
    expect(problems).toEqual([]);
  });

  test('are kept as long as they verify', () => {
    const key = (letter: string) => ({ keyId: letter, key: Buffer.alloc(32, letter).toString('base64url') });
    const ring = new KeyRing({ keyId: 'a', key: Buffer.alloc(32, 'a') });
    const ids = () => ring.keys.map(({ keyId }) => keyId);
    const soon = new Date(Date.now() + 60_000).toISOString();
    const longAgo = new Date(Date.now() - 25 * 3_600_000).toISOString();
    // Somebody who is not told a key again keeps the one it has.
    ring.learn({ keyId: 'a' });
    expect(ids()).toEqual(['a']);
    ring.learn({ ...key('a'), next: { ...key('b'), signsFrom: soon } });
    expect(ids()).toEqual(['a', 'b']);
    ring.learn({ ...key('b'), previous: { ...key('a'), verifiesUntil: soon } });
    expect(ids()).toEqual(['b', 'a']);
    expect([ring.knows('a'), ring.knows('c')]).toEqual([true, false]);
    ring.learn({ ...key('b'), previous: { ...key('a'), verifiesUntil: longAgo } });
    expect(ids()).toEqual(['b']);
    ring.learn({ ...key('b'), next: { ...key('c'), signsFrom: longAgo } });
    expect(ids()).toEqual(['c']);
    ring.learn(key('d'));
    expect(ids()).toEqual(['d']);
  });
});
