// An agent as its queue sees it: registered with its own key, its token asked for, its messages taken over AMQP with the unmodified SDK.
import { ServiceBusClient, type ServiceBusReceivedMessage } from '@azure/service-bus';
import { cardOf } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';

export interface ListenToken {
  readonly endpoint: string;
  readonly queue: string;
  readonly token: string;
  readonly expiresAt: string;
}

export interface Mailbox {
  readonly agentId: string;
  /** With the agent's own key. */
  readonly asker: Asker;
  readonly queue: string;
  /** What opens its messages. */
  readonly key: { readonly keyId: string; readonly key: Buffer };
  token(): Promise<ListenToken>;
}

/** Makes the environment of an agent and registers it with its own key. */
export async function openMailbox(owner: Asker, tenantId: string, agentId: string, skills?: { id: string }[]): Promise<Mailbox> {
  const environment = await owner.post<Record<string, string>>(`/tenants/${tenantId}/agents/${agentId}/environment`);
  const asker = new Asker(owner.base, environment['FLOWGRID_API_TOKEN']);
  const { queue, signing } = await asker.post<{ queue: { name: string }; signing: { keyId: string; key: string } }>(
    `/api/registry/agents/${agentId}/register`,
    { card: cardOf(agentId, skills), ttlSeconds: 600 },
  );
  return {
    agentId,
    asker,
    queue: queue.name,
    key: { keyId: signing.keyId, key: Buffer.from(signing.key, 'base64url') },
    token: () => asker.post<ListenToken>('/api/messaging/token', { queue: queue.name }),
  };
}

/** A client that has nothing but this token. */
export function clientWith({ endpoint, token }: ListenToken): ServiceBusClient {
  return new ServiceBusClient(`Endpoint=${endpoint};SharedAccessSignature=${token};UseDevelopmentEmulator=true`, {
    retryOptions: { maxRetries: 0, timeoutInMs: 5_000 },
  });
}

/** Takes so many messages and completes them. Fewer when fewer come in ten seconds. */
export async function take(token: ListenToken, count: number): Promise<ServiceBusReceivedMessage[]> {
  await using stack = new AsyncDisposableStack();
  const client = stack.adopt(clientWith(token), (each) => each.close());
  const receiver = client.createReceiver(token.queue);
  const taken: ServiceBusReceivedMessage[] = [];
  for (const end = Date.now() + 10_000; taken.length < count && Date.now() < end; ) {
    for (const message of await receiver.receiveMessages(count - taken.length, { maxWaitTimeInMs: 2_000 })) {
      await receiver.completeMessage(message);
      taken.push(message);
    }
  }
  return taken;
}
