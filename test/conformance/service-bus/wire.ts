// A bare AMQP client, for what the SDK does not do or does not show. Errors are AMQP conditions.
import { once } from 'node:events';
import type { Connection, EventContext, Message, Receiver, Sender } from 'rhea';
import rhea from 'rhea';

export class Wire {
  readonly connection: Connection;
  readonly #requests: Sender;
  readonly #replies: Receiver;

  private constructor(connection: Connection, requests: Sender, replies: Receiver) {
    this.connection = connection;
    this.#requests = requests;
    this.#replies = replies;
  }

  static async connect(port: number): Promise<Wire> {
    const connection = rhea.create_container().connect({ host: '127.0.0.1', port, reconnect: false, username: 'anyone' });
    for (const event of ['disconnected', 'connection_error', 'session_error', 'sender_error', 'receiver_error'])
      connection.on(event, () => {});
    const replies = connection.open_receiver({ source: '$cbs', name: 'replies' });
    const requests = connection.open_sender({ target: '$cbs' });
    await once(requests, 'sendable');
    return new Wire(connection, requests, replies);
  }

  /** The status the broker answers a token with, and its words. */
  async putToken(audience: string, token: string, type = 'servicebus.windows.net:sastoken'): Promise<[number, string]> {
    const answered = once(this.#replies, 'message');
    const application_properties = { operation: 'put-token', name: audience, type };
    this.#requests.send({ message_id: 'm', reply_to: 'replies', application_properties, body: token });
    const [{ message }] = (await answered) as [EventContext];
    return [message?.application_properties?.['status-code'], message?.application_properties?.['status-description']];
  }

  /** Attaches in a session of its own, as the SDK does, and gives the link once it can send. */
  async sender(address: string): Promise<Sender> {
    const session = this.connection.create_session();
    session.begin();
    const link = session.open_sender({ target: { address } });
    await settled(link, 'sendable', 'sender_close');
    return link;
  }

  /** Attaches a receiver without credit. */
  async receiver(address: string, options: object = {}): Promise<Receiver> {
    const session = this.connection.create_session();
    session.begin();
    const link = session.open_receiver({ source: { address }, credit_window: 0, autoaccept: false, rcv_settle_mode: 1, ...options });
    await settled(link, 'receiver_open', 'receiver_close');
    return link;
  }

  /** Requests to a queue's management node. */
  async management(queue: string): Promise<{ ask(operation: string, body: unknown): Promise<Message> }> {
    const name = `replies-${queue}`;
    const replies = await this.receiver(`${queue}/$management`, { name, credit_window: 10, rcv_settle_mode: 0 });
    const requests = await this.sender(`${queue}/$management`);
    return {
      ask: async (operation, body) => {
        const answered = once(replies, 'message');
        const message = { message_id: operation, reply_to: name, application_properties: { operation }, body };
        requests.send(message as unknown as Message);
        const [{ message: reply }] = (await answered) as [EventContext];
        if (!reply || reply.correlation_id !== operation) throw new Error('the reply is to another request');
        return reply;
      },
    };
  }

  async close(): Promise<void> {
    if (this.connection.is_closed()) return;
    const closed = once(this.connection, 'connection_close');
    this.connection.close();
    await closed;
  }
}

/** Sends a message and gives `accepted`, or the condition it was rejected with. */
export function send(link: Sender, message: Omit<Message, 'toJSON' | 'toString'> | Buffer, format?: number): Promise<string> {
  const delivery = link.send(message as Message, undefined, format);
  return new Promise((resolve) => {
    const answered = ({ delivery: about }: EventContext) => {
      if (about !== delivery) return;
      for (const event of ['accepted', 'rejected']) link.off(event, answered);
      resolve(about.remote_state?.['error']?.condition ?? 'accepted');
    };
    for (const event of ['accepted', 'rejected']) link.on(event, answered);
  });
}

/** Waits until the broker detaches the link, and gives the condition. */
export async function detached(link: Sender | Receiver): Promise<string> {
  if (!link.is_closed()) await once(link, link.is_sender() ? 'sender_close' : 'receiver_close');
  return condition(link);
}

const condition = ({ error }: Sender | Receiver): string => (error && 'condition' in error ? String(error.condition) : 'no error');

/** Resolves when a link is open and has not been detached a turn later: an attach is refused by an attach and a detach. */
async function settled(link: Sender | Receiver, open: string, closed: string): Promise<void> {
  const refused = once(link, closed).then(() => {
    throw new Error(condition(link));
  });
  await Promise.race([once(link, open), refused]);
  await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), refused]);
  refused.catch(() => {});
}
