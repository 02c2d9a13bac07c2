// A client's receiver: messages go out as credit allows, settlements come back.
import type { Delivery, EventContext, Sender } from 'rhea';
import { AmqpError, answerDrain, isDraining, room, settle, unwritten } from './amqp.ts';
import type { Broker, Client, Taker } from './broker.ts';
import type { Outgoing, Settlement } from './messages.ts';
import type { Place } from './queues.ts';

export class ReceivingLink implements Taker {
  readonly peekLock: boolean;
  readonly #broker: Broker;
  readonly #client: Client;
  readonly #link: Sender;
  readonly #place: Place;
  #reserved = 0;
  #drained = false;
  #ended = false;

  constructor(broker: Broker, client: Client, link: Sender, place: Place) {
    this.peekLock = link.snd_settle_mode !== 1;
    this.#broker = broker;
    this.#client = client;
    this.#link = link;
    this.#place = place;
    broker.listen(place, this);
    link.on('sender_flow', () => {
      this.#drained = false;
      this.look();
    });
    link.on('sendable', () => this.look());
    link.on('accepted', (context: EventContext) => this.#settled(context, () => ({ verb: 'complete' })));
    link.on('released', (context: EventContext) => this.#settled(context, () => ({ verb: 'release' })));
    link.on('modified', (context: EventContext) => this.#settled(context, modified));
    link.on('rejected', (context: EventContext) => this.#settled(context, rejected));
    link.on('settled', ({ delivery }: EventContext) => {
      if (delivery && !delivery.remote_state) delivery.update(true);
    });
    this.look();
  }

  get room(): number {
    return this.#ended ? 0 : room(this.#link) - this.#reserved;
  }

  reserve(): void {
    this.#reserved++;
  }

  give(message: Outgoing): void {
    this.#broker
      .play(this.#client, `receive ${this.#place.queue.name}`, () => this.#send(message))
      .catch((error: unknown) => this.#takeBack(message, AmqpError.from(error)))
      .catch((error: unknown) => console.error('service-bus: a message could not be given back', error));
  }

  /** Something may be possible now that was not before. */
  look(): void {
    this.#broker.wake(this.#place);
  }

  idle(): void {
    if (this.#ended || this.#drained || this.#reserved > 0 || !isDraining(this.#link)) return;
    if (unwritten(this.#link) === 0) {
      this.#drained = true;
      // A receive that found nothing: who polls is seen to poll.
      this.#broker.count('receive-nothing');
      answerDrain(this.#link);
    } else {
      // They leave at the end of this turn; if the client's window is shut, its next flow brings us back.
      setImmediate(() => unwritten(this.#link) === 0 && this.idle());
    }
  }

  end(): void {
    this.#ended = true;
    this.#broker.unlisten(this.#place, this);
  }

  #send(message: Outgoing): void {
    if (this.#ended || room(this.#link) <= 0) throw new AmqpError('amqp:connection:forced', 'The receiver is gone.');
    this.#reserved--;
    this.#link.send(message.bytes, message.token ? swap(message.token) : Buffer.alloc(16), 0);
  }

  async #takeBack({ token }: Outgoing, error: AmqpError): Promise<void> {
    this.#reserved--;
    if (error.condition !== 'amqp:connection:forced') this.#link.close(error.fields);
    if (token) await this.#broker.messages.giveBack(this.#place, token);
  }

  /** The client says what became of a message; it is told when that is on disk. */
  #settled({ delivery }: EventContext, read: (delivery: Delivery) => Settlement): void {
    if (!delivery || typeof delivery.tag === 'string' || !this.peekLock) return;
    const token = swap(delivery.tag);
    const how = read(delivery);
    const { messages } = this.#broker;
    const place = this.#place;
    this.#broker
      .play(
        this.#client,
        `${how.verb} ${place.queue.name}`,
        () => messages.settle(place, token, how),
        () => messages.loseLock(place, token),
      )
      .then(
        () => settle(delivery),
        (error: unknown) => settle(delivery, AmqpError.from(error)),
      );
  }
}

/** A delivery tag is the lock token as a .NET Guid: its first three fields are in the other byte order. */
function swap(token: Buffer): Buffer {
  const swapped = Buffer.from(token);
  if (swapped.length !== 16) return swapped;
  swapped.subarray(0, 4).swap32();
  swapped.subarray(4, 8).swap16();
  return swapped;
}

function modified({ remote_state: state }: Delivery): Settlement {
  return { verb: state?.['undeliverable_here'] ? 'defer' : 'abandon', properties: state?.['message_annotations'] ?? undefined };
}

function rejected({ remote_state: state }: Delivery): Settlement {
  const { condition, description, info } = state?.['error'] ?? {};
  if (condition !== 'com.microsoft:dead-letter') return { verb: 'deadletter', reason: condition, description };
  const { DeadLetterReason, DeadLetterErrorDescription, ...properties } = info ?? {};
  return { verb: 'deadletter', reason: DeadLetterReason, description: DeadLetterErrorDescription, properties };
}
