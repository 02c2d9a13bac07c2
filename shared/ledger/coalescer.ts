// Tells of what happens again and again: the first few of a minute one by one, the rest by one count. What is written never grows with the attempts.
import { now } from '../clock/clock.ts';

const windowMs = 60_000;

/** Beyond `windows` subjects at once all further ones are told of together, so that not even their number makes the ledger grow. */
const others = Symbol('others');

interface Window<What> {
  readonly opened: number;
  /** Told in this minute, the count of the minute before included. */
  told: number;
  held: number;
  last: What | undefined;
  readonly timer: NodeJS.Timeout;
}

interface Bounds {
  /** How much is told of one subject in a minute. */
  readonly perWindow: number;
  /** How many subjects are told apart. */
  readonly windows: number;
}

export class Coalescer<What> {
  readonly #bounds: Bounds;
  readonly #tell: (what: What, attempts: number) => void;
  readonly #windows = new Map<string | typeof others, Window<What>>();

  /** `tell` gets what happened and how often since it was last told; of several, the last one. */
  constructor(bounds: Bounds, tell: (what: What, attempts: number) => void) {
    this.#bounds = bounds;
    this.#tell = tell;
  }

  record(subject: string, what: What): void {
    const key = this.#windows.has(subject) || this.#windows.size < this.#bounds.windows ? subject : others;
    let window = this.#windows.get(key);
    // A process that was held up closes late.
    if (window && now() - window.opened >= windowMs) window = this.#close(key, window);
    window ??= this.#open(key, 0);
    if (window.told < this.#bounds.perWindow) {
      window.told += 1;
      this.#tell(what, 1);
    } else {
      window.held += 1;
      window.last = what;
    }
  }

  /** Tells at once what is held back: this process ends. */
  flush(): void {
    for (const [key, window] of [...this.#windows]) {
      this.#close(key, window);
      clearTimeout(this.#windows.get(key)?.timer);
      this.#windows.delete(key);
    }
  }

  #open(key: string | typeof others, told: number): Window<What> {
    const timer = setTimeout(() => this.#close(key, window), windowMs).unref();
    const window: Window<What> = { opened: now(), told, held: 0, last: undefined, timer };
    this.#windows.set(key, window);
    return window;
  }

  /** The count of what was held back is the first that is told of the minute that follows. */
  #close(key: string | typeof others, { timer, last, held }: Window<What>): Window<What> | undefined {
    clearTimeout(timer);
    this.#windows.delete(key);
    if (last === undefined) return undefined;
    this.#tell(last, held);
    return this.#open(key, 1);
  }
}
