// Agents that come and go on several hosts while others write to them, and what became of the messages.
import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceBusClient } from '@azure/service-bus';
import { cardOf, until } from '../../flowgrid.ts';
import type { Asker } from '../asker.ts';
import { type Mailbox, take } from './mailbox.ts';

interface Coming {
  readonly owner: Asker;
  readonly hosts: readonly string[];
  /** A registered agent that writes. */
  readonly sender: string;
  /** With the namespace's own key. */
  readonly root: ServiceBusClient;
  readonly agents: readonly Mailbox[];
  readonly ms: number;
}

/** `lost` are the ids of messages that were accepted (202) and were in no queue, neither under way nor in the end. */
export async function comeAndGo({ owner, hosts, sender, root, agents, ms }: Coming): Promise<{
  accepted: number;
  lost: string[];
  /** Every other status a send was answered. */
  refusals: Set<number>;
}> {
  const accepted = new Map<string, string[]>(agents.map(({ agentId }) => [agentId, []]));
  const taken = new Set<string>();
  const refusals = new Set<number>();
  const end = Date.now() + ms;
  const any = () => owner.at(hosts[Math.floor(Math.random() * hosts.length)] ?? owner.base);
  const register = (agentId: string, by: Asker) =>
    by.ask<{ queue?: { state: string } }>('POST', `/api/registry/agents/${agentId}/register`, {
      json: { card: cardOf(agentId), ttlSeconds: 600 },
    });

  /** As an agent would that empties its queue before it goes. */
  const drain = async (queue: string) => {
    const receiver = root.createReceiver(queue);
    try {
      for (const message of await receiver.receiveMessages(100, { maxWaitTimeInMs: 100 })) {
        await receiver.completeMessage(message);
        taken.add(String(message.messageId));
      }
    } catch {
      // The queue is gone, or being made.
    }
    await receiver.close().catch(() => undefined);
  };
  const comingAndGoing = async ({ agentId, queue }: Mailbox) => {
    while (Date.now() < end) {
      await any().ask('DELETE', `/api/registry/agents/${agentId}/unregister`);
      // Every other time something is left in it.
      if (Math.random() < 0.5) await drain(queue);
      // Long enough to be closed, sometimes to be removed.
      await pause(1_000 + 2_000 * Math.random());
      await register(agentId, any());
      await pause(200 * Math.random());
    }
  };
  const sending = async ({ agentId }: Mailbox) => {
    for (let count = 0; Date.now() < end; count++) {
      const json = { to: agentId, from: sender, messageType: 'x', payload: { count } };
      const { status, body } = await any().ask<{ messageId: string }>('POST', '/api/messages', { json });
      if (status === 202) accepted.get(agentId)?.push(body.messageId);
      else refusals.add(status);
      await pause(30);
    }
  };
  await Promise.all(agents.flatMap((agent) => [comingAndGoing(agent), sending(agent)]));

  for (const agent of agents) {
    await until('its queue is there', async () => (await register(agent.agentId, agent.asker)).body.queue?.state === 'ready', 90_000);
    const missing = (accepted.get(agent.agentId) ?? []).filter((id) => !taken.has(id));
    if (missing.length > 0) for (const { messageId } of await take(await agent.token(), missing.length)) taken.add(String(messageId));
  }
  const all = [...accepted.values()].flat();
  return { accepted: all.length, lost: all.filter((id) => !taken.has(id)), refusals };
}
