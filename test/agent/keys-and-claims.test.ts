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

  test('is refused when it is not the one that was signed', async () => {
    const { handled, problems, send, environment } = await reader('deceived');
    await send(large);
    await until('it is handled', async () => handled.length === 1);
    const forged = await serve(200, JSON.stringify({ ...large, of: 'none' }));
    await smuggle(environment, { ...handled[0], messageId: 'another' }, forged.url);
    await until('it is refused', async () => problems.length === 1);
    expect(problems).toEqual(['a message was refused: signature_invalid']);
    expect(handled).toHaveLength(1);
    forged.close();
  });

  test('is asked for again when its address has ended', async () => {
    const first = await reader('sleeper');
    await first.send(large);
    await until('it is handled', async () => first.handled.length === 1);
    await first.agent.stop();
    const ended = await serve(403, '');
    await smuggle(first.environment, first.handled[0], ended.url);
    // Another process, which never saw it: to that one it is no replay.
    const second = await reader('sleeper');
    await until('it is handled', async () => second.handled.length === 1);
    expect(second.handled[0]?.payload).toEqual(large);
    ended.close();
  });

  async function serve(status: number, content: string) {
    const server = createServer((_, response) => void response.writeHead(status).end(content));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/payload`, close: () => server.close() };
  }

  /** The same message once more, with its payload said to be there. */
  async function smuggle(environment: Record<string, string>, genuine: Partial<Envelope> | undefined, url: string) {
    const { signature: _, ...rest } = genuine ?? {};
    const content = JSON.stringify(large);
    const claim = { url, sha256: createHash('sha256').update(content).digest('hex'), size: Buffer.byteLength(content) };
    const envelope = { ...rest, payload: { $claim: claim } };
    const [keyId = '', key = ''] = environment['FLOWGRID_TENANT_SECRET']?.split('.') ?? [];
    const sender = root.createSender(environment['SERVICEBUS_DEDICATED_QUEUE'] ?? '');
    await sender.sendMessages({ body: { ...envelope, signature: sign(envelope, { keyId, key: Buffer.from(key, 'base64url') }) } });
    await sender.close();
  }
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
