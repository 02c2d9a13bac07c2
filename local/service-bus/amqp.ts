// rhea as a broker needs it: bytes left as they came, an exact answer to drain, attach replies, settlement that frees the ring. And Azure's errors.
import type { Connection, Delivery, Receiver, Sender, Session } from 'rhea';
import rhea from 'rhea';

/** An error in the service's own words; `condition` is its AMQP condition, which the SDK turns into its error codes. */
export class AmqpError extends Error {
  readonly condition: string;

  constructor(condition: string, description: string) {
    super(description);
    this.condition = condition;
  }

  /** The form rhea writes into detach, close and rejected. */
  get fields(): { condition: string; description: string } {
    return { condition: this.condition, description: this.message };
  }

  static from(error: unknown): AmqpError {
    return error instanceof AmqpError ? error : new AmqpError('amqp:internal-error', String(error));
  }
}

export const lockLost = () =>
  new AmqpError(
    'com.microsoft:message-lock-lost',
    'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue, or was received by a different receiver instance.',
  );
export const notModelled = (what: string) => new AmqpError('amqp:not-implemented', `The local Service Bus broker does not model ${what}.`);
export const notFound = (path: string) => new AmqpError('amqp:not-found', `The messaging entity '${path}' could not be found.`);

/** Marks a standard message whose bytes were left undecoded; batches keep their own format. */
export const RAW_FORMAT = 0xffff_fff0;
/** A batch: each data section of the envelope is an encoded message. */
export const BATCH_FORMAT = 0x8001_3700;

interface TransferFrame {
  readonly performative: { readonly handle: number; readonly more?: boolean | null; message_format?: number | null };
  payload?: Buffer | undefined;
}
// What rhea 3.0.5 has and its typings lack. Pinned by the conformance tests: each of these is used by one of them.
interface Internals {
  readonly outgoing: { available(): number; readonly next_delivery_id: number; readonly next_pending_delivery: number };
  readonly remote: { readonly handles: Readonly<Record<number, object>> };
  on_transfer(frame: TransferFrame): void;
  on_flow(frame: unknown): void;
}
interface LinkInternals {
  readonly local: { readonly attach: { snd_settle_mode?: number; rcv_settle_mode?: number; max_message_size?: number } };
  readonly connection: { _register(): void; _process(): void };
  credit: number;
  delivery_count: number;
  issue_flow: boolean;
  _get_drain(): boolean;
  readonly _draining: boolean;
}
// The casts below only reveal those members.
const internals = (session: Session) => session as unknown as Internals;
const linkInternals = (link: Sender | Receiver) => link as unknown as LinkInternals;

/**
 * Has rhea hand over the bytes of every message (as `RAW_FORMAT`) instead of decoding them, which would lose AMQP types, and stop collecting a
 * message soon after it has passed `limit` bytes. `flowed` is called after each flow of the session.
 */
export function tap(session: Session, limit: number, flowed: () => void): void {
  const inner = internals(session);
  const transfer = inner.on_transfer.bind(session);
  const flow = inner.on_flow.bind(session);
  const collected = new WeakMap<object, number>();
  inner.on_transfer = (frame) => {
    const link = inner.remote.handles[frame.performative.handle];
    if (link) {
      const before = collected.get(link) ?? 0;
      collected.set(link, frame.performative.more ? before + (frame.payload?.length ?? 0) : 0);
      if (before > limit) frame.payload = undefined;
    }
    if (frame.performative.message_format === 0) frame.performative.message_format = RAW_FORMAT;
    transfer(frame);
  };
  inner.on_flow = (frame) => {
    flow(frame);
    process.nextTick(flowed);
  };
}

/** How many more messages may be handed to this link now; messages handed over but not yet written count as used. */
export function room(link: Sender): number {
  const { outgoing } = internals(link.session);
  return link.is_open() ? Math.min(linkInternals(link).credit - unwritten(link), outgoing.available()) : 0;
}

/** Messages handed over that rhea has not written yet, for want of window or of a turn. */
export function unwritten(link: Sender): number {
  const { outgoing } = internals(link.session);
  return outgoing.next_delivery_id - outgoing.next_pending_delivery;
}

export const isDraining = (link: Sender): boolean => linkInternals(link)._draining;

/** Uses up the link's credit and says so, even when there is none left (rhea would keep silent then and the client wait). */
export function answerDrain(link: Sender): void {
  const inner = linkInternals(link);
  inner.delivery_count += inner.credit;
  inner.credit = 0;
  inner._get_drain = () => inner._draining;
  inner.issue_flow = true;
  inner.connection._register();
}

/** Answers an attach with what was asked for: addresses, settlement modes, and how large a message may be. */
export function confirm(link: Sender | Receiver, maxMessageSize: number): void {
  const { attach } = linkInternals(link).local;
  if (link.source) link.set_source({ address: link.source.address });
  if (link.target) link.set_target({ address: link.target.address });
  attach.snd_settle_mode = link.snd_settle_mode;
  attach.rcv_settle_mode = link.rcv_settle_mode;
  attach.max_message_size = maxMessageSize;
}

/** Makes every message of a link leave already settled. */
export function presettle(link: Sender): void {
  linkInternals(link).local.attach.snd_settle_mode = 1;
}

/** Settles a delivery for both sides. The SDK never settles a second time, and rhea frees a delivery only when both ends have. */
export function settle(delivery: Delivery, error?: AmqpError): void {
  const outcome = error ? outcomes.rejected({ error: error.fields }) : outcomes.accepted();
  const { connection } = linkInternals(delivery.link);
  // rhea writes what two neighbours became as one, with the outcome of the first: an error is written apart from what came before and comes after.
  if (error) connection._process();
  delivery.update(true, outcome.described());
  // Readonly in the typings; must come second, or nothing is sent.
  (delivery as { remote_settled: boolean }).remote_settled = true;
  if (error) connection._process();
}

interface Outcome {
  described(): unknown;
}
// rhea's message module makes outcomes too; its typings leave them out.
const outcomes = rhea.message as unknown as { accepted(): Outcome; rejected(fields: object): Outcome };

/** A server connection on an accepted socket (rhea types only its own `listen`). */
export function accept(container: ReturnType<typeof rhea.create_container>, socket: object, options: object): Connection {
  const connection = container.create_connection(options as Parameters<typeof container.create_connection>[0]);
  (connection as unknown as { accept(socket: object): void }).accept(socket);
  return connection;
}
