// One client's connection: its tokens, its links, and who may attach to what.
import type { Socket } from 'node:net';
import type { Connection, EventContext, Receiver, Sender, Session } from 'rhea';
import rhea from 'rhea';
import { addressPath, Claims, isBelow } from './access.ts';
import { Alarm } from './alarm.ts';
import { AmqpError, accept, confirm, notFound, notModelled, tap } from './amqp.ts';
import type { Broker, Client } from './broker.ts';
import type { Place } from './queues.ts';
import { ReceivingLink } from './receiving.ts';
import { Replies, serveManagement, serveTokens } from './requests.ts';
import { SendingLink } from './sending.ts';
import { type Right, rights } from './settings.ts';

const container = rhea.create_container({ id: 'flowgrid-service-bus' });
container.sasl_server_mechanisms.enable_anonymous();

const options = {
  max_frame_size: 65_536,
  channel_max: 4_999,
  idle_time_out: 120_000,
  sender_options: { autosettle: false, treat_modified_as_released: false },
  receiver_options: { autosettle: false, autoaccept: false, credit_window: 0 },
};

type Link = Sender | Receiver;

/** A link to an entity, and what it took to attach it. */
interface Attached {
  readonly path: string;
  readonly wanted: Right;
  readonly handler: ReceivingLink | SendingLink;
}

export class ClientConnection implements Client {
  readonly #broker: Broker;
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #claims: Claims;
  readonly #replies = new Replies();
  readonly #attached = new Map<Link, Attached>();
  /** Goes off when the next token ends. */
  readonly #expiry = new Alarm(() => this.recheck(''));

  constructor(broker: Broker, socket: Socket) {
    this.#broker = broker;
    this.#socket = socket;
    this.#claims = new Claims(broker.guard, broker.queues);
    this.#connection = accept(container, socket, options);
    broker.clients.add(this);
    socket.once('close', () => this.#gone());
    const connection = this.#connection;
    connection.on('session_open', ({ session }: EventContext) => session && this.#tap(session));
    connection.on('session_close', ({ session }: EventContext) => session?.each_link((link: Link) => this.#forget(link), all));
    connection.on('receiver_open', ({ receiver }: EventContext) => receiver && this.#open(receiver, receiver.target?.address));
    connection.on('sender_open', ({ sender }: EventContext) => sender && this.#open(sender, sender.source?.address));
    connection.on('receiver_close', ({ receiver }: EventContext) => receiver && this.#forget(receiver));
    connection.on('sender_close', ({ sender }: EventContext) => sender && this.#forget(sender));
    connection.on('error', (error: unknown) => console.error('service-bus: a connection failed', error));
    // A peer's errors are its own affair, but without a listener rhea throws them.
    for (const scope of ['protocol', 'connection', 'session', 'receiver', 'sender']) connection.on(`${scope}_error`, () => {});
    connection.on('disconnected', () => {});
  }

  cut(): void {
    this.#socket.destroy(new Error('cut'));
  }

  recheck(under: string): void {
    // First: a token that ends between the two would otherwise be missed by both.
    this.#expiry.at(this.#claims.nextEnd());
    for (const [link, { path, wanted }] of this.#attached) {
      if (!isBelow(under, path)) continue;
      try {
        this.#demandOpen(path, wanted);
      } catch (error) {
        const reason = AmqpError.from(error);
        this.#forget(link, reason);
        // After the answers to what was already under way.
        const close = () => link.close(reason.fields);
        this.#broker.database.read(() => {}).then(close, close);
      }
    }
  }

  /** Says goodbye in the one way after which the SDK connects again by itself. */
  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#connection.close({ condition: 'amqp:connection:forced', description: 'The broker is stopping.' });
    const force = setTimeout(() => this.#socket.destroy(), 1_000);
    await closed;
    clearTimeout(force);
  }

  #tap(session: Session): void {
    const look = (link: Sender) => this.#attached.get(link)?.handler.look();
    tap(session, this.#broker.limits.messageBytes, () => session.each_sender(look, all));
  }

  #open(link: Link, address: string | undefined): void {
    const path = addressPath(address ?? '');
    // At once: rhea answers the attach at the end of this turn.
    confirm(link, this.#broker.limits.messageBytes);
    const open = () => {
      // Gone meanwhile, if the attach was delayed.
      if (!link.is_remote_open()) return;
      if (!address) throw notModelled('links without an address, such as those of transactions');
      if (path === '$cbs' || path.endsWith('/$management')) this.#openNode(link, path);
      else this.#openEntity(link, path);
    };
    // A fault takes tokens by `put-token`: without its $cbs links the SDK (7.9.5) asks nobody, and waits a minute for the answer.
    if (path === '$cbs') open();
    else this.#broker.play(this, `attach ${path}`, open).catch((error: unknown) => link.close(AmqpError.from(error).fields));
  }

  #openNode(link: Link, path: string): void {
    if (path !== '$cbs') this.#demand(path, rights);
    const node = { broker: this.#broker, client: this, replies: this.#replies };
    // rhea knows which of the two a link is; its typings do not follow.
    if (link.is_sender()) this.#replies.add(link as Sender);
    else if (path === '$cbs') serveTokens(link as Receiver, node, this.#claims);
    else serveManagement(link as Receiver, node, (wanted) => this.#demandOpen(path, wanted));
  }

  #openEntity(link: Link, path: string): void {
    if (link.source?.filter && 'com.microsoft:session-filter' in link.source.filter) throw notModelled('sessions');
    const wanted = link.is_sender() ? 'Listen' : 'Send';
    const place = this.#demandOpen(path, wanted);
    if (wanted === 'Send' && place.dead) throw new AmqpError('amqp:not-allowed', 'Messages cannot be sent to a dead-letter queue.');
    const handler = link.is_sender()
      ? new ReceivingLink(this.#broker, this, link as Sender, place)
      : new SendingLink(this.#broker, this, link as Receiver, place.queue);
    this.#attached.set(link, { path, wanted, handler });
  }

  /** @throws AmqpError unauthorized-access before anything tells whether the entity is there, then not-found */
  #demand(path: string, wanted: readonly Right[]): Place {
    if (!this.#claims.allows(path, wanted)) {
      const what = `'${wanted[0]}' claim(s) are required to perform this operation. Resource: '${path}'.`;
      throw new AmqpError('amqp:unauthorized-access', `Unauthorized access. ${what}`);
    }
    if (path.includes('/$transfer')) throw notModelled('transfer queues');
    const place = this.#broker.queues.resolve(path);
    if (!place) throw notFound(path);
    return place;
  }

  /** @throws AmqpError as `#demand`, and entity-disabled when its status does not let messages in, or out */
  #demandOpen(path: string, wanted: Right): Place {
    const place = this.#demand(path, [wanted]);
    if (!(wanted === 'Send' ? place.queue.accepts : place.queue.gives))
      throw new AmqpError('com.microsoft:entity-disabled', `Messaging entity '${path}' is currently disabled.`);
    return place;
  }

  #forget(link: Link, reason?: AmqpError): void {
    this.#attached.get(link)?.handler.end(reason);
    this.#attached.delete(link);
    this.#replies.remove(link);
  }

  #gone(): void {
    this.#expiry.off();
    for (const link of this.#attached.keys()) this.#forget(link);
    this.#broker.leave(this);
  }
}

const all = () => true;
