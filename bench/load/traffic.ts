// What the agents of a load do: write to each other, look around, and try what they may not; and how each listens at its own queue.
import { ServiceBusClient } from '@azure/service-bus';
import type { ProblemBody } from '../../local/demo/caller.ts';
import type { Findings } from './findings.ts';
import { type House, type Member, sharedSkill } from './fleet.ts';

/** One in so many steps looks around, and one in so many tries what it may not. */
const [lookEvery, tryEvery] = [10, 7];

/** One step of some agent of the house: as often as not by skill. */
export async function step(houses: readonly House[], house: House, count: number, findings: Findings): Promise<void> {
  const { members } = house;
  const sender = any(members);
  if (count % lookEvery === 0) await lookAround(sender, findings);
  if (count % tryEvery === 0 && houses.length > 1) await trespass(houses, sender, findings);
  const to = count % 4 === 0 ? { skill: sharedSkill } : any(members).agentId;
  const { status, body } = await sender.caller.try<{ messageId: string; to: string } & ProblemBody>('POST', '/api/messages', {
    to,
    messageType: 'load',
    payload: { canary: house.canary, count, filling: 'x'.repeat(400) },
  });
  if (status !== 202) return findings.refused(`${status} ${body?.code ?? ''}`);
  const recipient = members.find(({ agentId }) => agentId === body.to);
  if (recipient) findings.accepted(body.messageId, recipient);
  else findings.leak(`a message of ${house.id} went to ${body.to}`);
}

async function lookAround({ house, caller }: Member, findings: Findings): Promise<void> {
  for (const path of ['/api/registry/agents?limit=200', `/api/registry/agents/search?skill=${sharedSkill}`]) {
    const { status, body } = await caller.try('GET', path);
    if (status === 200) findings.isOwn(house, path, JSON.stringify(body));
    else findings.refused(`${status} GET`);
  }
}

/** Each must be refused, and refused as such: an error of the server's is no refusal. */
async function trespass(houses: readonly House[], sender: Member, findings: Findings): Promise<void> {
  const { house, caller } = sender;
  const other = any(houses.filter((each) => each !== house));
  const neighbour = any(house.members.filter((each) => each !== sender));
  const theirs = any(other.members);
  const tries: [status: number, method: string, path: string, body?: object | undefined, headers?: Record<string, string>][] = [
    [403, 'POST', '/api/messaging/token', { queue: neighbour.queue }],
    [404, 'POST', '/api/messaging/token', { queue: theirs.queue }],
    [403, 'POST', '/api/messages', { to: theirs.agentId, from: neighbour.agentId, messageType: 'load', payload: 0 }],
    [403, 'POST', '/api/messages', { to: theirs.agentId, tenantId: other.id, messageType: 'load', payload: 0 }],
    [403, 'GET', '/api/registry/agents', undefined, { 'x-tenant-id': other.id }],
    [403, 'POST', `/api/registry/agents/${neighbour.agentId}/register`, { card: {} }],
    [404, 'GET', `/tenants/${other.id}/audit`],
  ];
  const [expected, method, path, body, headers] = any(tries);
  findings.attempted();
  const { status, body: answer } = await caller.try(method, path, body, headers);
  findings.isOwn(house, path, JSON.stringify(answer ?? ''));
  // For a queue of its own tenant that nobody may listen at there is no token either, and it is not the caller's.
  const isRefused = status === expected || (path === '/api/messaging/token' && (status === 403 || status === 404));
  if (!isRefused && status < 500) findings.leak(`${method} ${path} of ${house.id} at ${other.id} answered ${status}`);
}

/** Listens as the agent does, with a token for its queue alone: until `over`, telling when it has begun, or without one until the queue is empty. */
export async function listen(member: Member, findings: Findings, stay?: { over: Promise<void>; begun(): void }): Promise<void> {
  const token = await member.caller.ask<{ endpoint: string; token: string }>('POST', '/api/messaging/token', { queue: member.queue });
  const loopback = ';UseDevelopmentEmulator=true';
  const client = new ServiceBusClient(`Endpoint=${token.endpoint};SharedAccessSignature=${token.token}${loopback}`);
  try {
    const receiver = client.createReceiver(member.queue, { receiveMode: 'receiveAndDelete' });
    if (stay) {
      receiver.subscribe({
        processMessage: async ({ body }) => void findings.arrived(member, body),
        processError: async ({ error }) => findings.refused(`listening: ${error.message}`),
      });
      stay.begun();
      return await stay.over;
    }
    for (;;) {
      const messages = await receiver.receiveMessages(50, { maxWaitTimeInMs: 500 });
      for (const { body } of messages) findings.arrived(member, body);
      if (messages.length === 0) return;
    }
  } finally {
    await client.close();
  }
}

function any<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('there is nobody');
  return item;
}
