// Gathers what is sent to one queue while a send to it is under way, so that many callers share a round trip and a write of the broker's. Whoever waits
// here is a caller that waits for its answer: there are no more of them than there are calls.

/** What goes in one transfer, by number and by bytes: Service Bus takes 256 KB with its own headers. */
const [mostMessages, mostBytes] = [100, 160_000];

interface Waiting<Message> {
  readonly message: Message;
  readonly bytes: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class Gatherer<Message> {
  readonly #transfer: (key: string, messages: readonly Message[]) => Promise<void>;
  /** By queue; one that is there has a transfer under way. */
  readonly #waiting = new Map<string, Waiting<Message>[]>();

  /** `transfer` fails for all of its messages or for none. */
  constructor(transfer: (key: string, messages: readonly Message[]) => Promise<void>) {
    this.#transfer = transfer;
  }

  /** Resolves or rejects as the transfer does that took the message. */
  send(key: string, message: Message, bytes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { message, bytes, done: resolve, failed: reject };
    const waiting = this.#waiting.get(key);
    if (waiting) waiting.push(entry);
    else {
      this.#waiting.set(key, []);
      void this.#run(key, [entry]);
    }
    return promise;
  }

  async #run(key: string, first: Waiting<Message>[]): Promise<void> {
    for (let batch = first; batch.length > 0; batch = this.#next(key)) {
      try {
        await this.#transfer(
          key,
          batch.map(({ message }) => message),
        );
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
  }

  /** As many as fit, at least one; with none left the queue is forgotten. */
  #next(key: string): Waiting<Message>[] {
    const waiting = this.#waiting.get(key) ?? [];
    let count = 0;
    for (let bytes = 0; count < Math.min(waiting.length, mostMessages); count++) {
      bytes += waiting[count]?.bytes ?? 0;
      if (count > 0 && bytes > mostBytes) break;
    }
    if (count === 0) this.#waiting.delete(key);
    return waiting.splice(0, count);
  }
}
