// Deletes expired items, some at a time. Whoever reads looks at the clock itself, so this only gives back space.
import type { Database } from '../database.ts';
import { now } from './catalog.ts';

const atOnce = 500;
/** Milliseconds between two sweeps, at least. */
const pause = 1_000;
/** The longest delay a timer takes. */
const longest = 2_147_483_647;

/** One timer, set for the next expiry while there is one. */
export class Expiry {
  readonly #database: Database;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;

  constructor(database: Database) {
    this.#database = database;
    this.#armForNext();
  }

  /** @param expires seconds since 1970. */
  arm(expires: number): void {
    if (expires >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = expires;
    const delay = Math.max(pause, expires * 1000 - Date.now());
    this.#timer = setTimeout(() => void this.#sweep(), Math.min(delay, longest)).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#due = Number.NEGATIVE_INFINITY;
  }

  async #sweep(): Promise<void> {
    await this.#database.write(() => {
      this.#database
        .sql('DELETE FROM items WHERE seq IN (SELECT seq FROM items WHERE expires <= ? ORDER BY expires LIMIT ?)')
        .run(now(), atOnce);
      this.#due = Number.POSITIVE_INFINITY;
      this.#armForNext();
    });
  }

  #armForNext(): void {
    const next = this.#database.sql('SELECT min(expires) AS next FROM items').get()?.['next'];
    if (typeof next === 'number') this.arm(next);
  }
}
