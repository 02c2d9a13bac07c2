// A client's sender: messages come in, and are accepted once they are on disk.
import type { Delivery, EventContext, Receiver } from 'rhea';
import { AmqpError, BATCH_FORMAT, notModelled, RAW_FORMAT, settle } from './amqp.ts';
import type { Broker, Client } from './broker.ts';
import { ingest, ingestBatch } from './message.ts';
import type { Queue } from './queues.ts';

/** How many unanswered messages a sender may have; the SDK waits a second when it finds no credit, so this is generous. */
const CREDIT = 1_000;

export class SendingLink {
  readonly #broker: Broker;
  readonly #client: Client;
  readonly #link: Receiver;
  readonly #queue: Queue;
  #answered = 0;
  #ended: AmqpError | undefined;

  constructor(broker: Broker, client: Client, link: Receiver, queue: Queue) {
    this.#broker = broker;
    this.#client = client;
    this.#link = link;
    this.#queue = queue;
    link.on('message', (context: EventContext) => this.#receive(context));
    link.add_credit(CREDIT);
  }

  look(): void {}

  /** What still comes is refused with `error`. */
  end(error?: AmqpError): void {
    this.#ended = error ?? new AmqpError('amqp:connection:forced', 'The sender is gone.');
  }

  #receive(context: EventContext): void {
    const { delivery } = context;
    if (!delivery) return;
    // Undecoded by `tap`.
    const raw = context.message as unknown as Buffer | undefined;
    this.#broker
      .play(this.#client, `send ${this.#queue.name}`, () => this.#keep(raw ?? Buffer.alloc(0), delivery))
      .then(
        () => settle(delivery),
        (error: unknown) => settle(delivery, AmqpError.from(error)),
      )
      .finally(() => this.#answer());
  }

  async #keep(raw: Buffer, { format }: Delivery): Promise<void> {
    if (this.#ended) throw this.#ended;
    const { messageBytes } = this.#broker.limits;
    if (format === RAW_FORMAT) await this.#broker.messages.enqueue(this.#queue, [ingest(raw, messageBytes)]);
    else if (format === BATCH_FORMAT) await this.#broker.messages.enqueue(this.#queue, ingestBatch(raw, messageBytes));
    else throw notModelled(`message format ${format}`);
  }

  #answer(): void {
    this.#answered++;
    if (this.#answered < CREDIT / 10 || this.#ended) return;
    this.#link.add_credit(this.#answered);
    this.#answered = 0;
  }
}
