// The connections that queue readers share. The SDK keeps a management link for every queue it has peeked at or settled for by token, as long as
// the connection lives (7.9.5); so a connection is used for so many queues and then left to end with its last reader.
import type { BusLine } from './bus-line.ts';

/** A queue takes two links at most, and a connection may have 4,999. */
const maxQueues = 1_000;

/** A line as long as its reader needs it. */
export interface LentLine {
  readonly line: BusLine;
  /** To be called once. */
  giveBack(): void;
}

class SharedLine {
  readonly opening: Promise<BusLine>;
  readonly queues = new Set<string>();
  readers = 0;
  #line: BusLine | undefined;
  #failed = false;

  constructor(opening: Promise<BusLine>) {
    this.opening = opening;
    opening.then(
      (line) => {
        this.#line = line;
      },
      () => {
        this.#failed = true;
      },
    );
  }

  takes(queue: string): boolean {
    return !this.#failed && !this.#line?.broken && (this.queues.has(queue) || this.queues.size < maxQueues);
  }
}

export class ReaderLines {
  readonly #open: () => Promise<BusLine>;
  readonly #shared = new Set<SharedLine>();
  #newest: SharedLine | undefined;

  constructor(open: () => Promise<BusLine>) {
    this.#open = open;
  }

  async lend(queue: string): Promise<LentLine> {
    const shared = this.#fitting(queue);
    shared.queues.add(queue);
    shared.readers++;
    const giveBack = () => {
      shared.readers--;
      this.#endUnused(shared);
    };
    try {
      return { line: await shared.opening, giveBack };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  async close(): Promise<void> {
    const all = [...this.#shared];
    this.#shared.clear();
    this.#newest = undefined;
    await Promise.all(all.map(async ({ opening }) => (await opening.catch(() => undefined))?.hangUp()));
  }

  #fitting(queue: string): SharedLine {
    const before = this.#newest;
    if (before?.takes(queue)) return before;
    const next = new SharedLine(this.#open());
    this.#shared.add(next);
    this.#newest = next;
    if (before) this.#endUnused(before);
    return next;
  }

  /** A line that takes no more readers is hung up behind the last it had. */
  #endUnused(shared: SharedLine): void {
    if (shared.readers > 0 || shared === this.#newest) return;
    this.#shared.delete(shared);
    shared.opening.then((line) => line.hangUp()).catch(() => undefined);
  }
}
