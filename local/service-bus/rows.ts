// Messages as rows: what they hold, in what state, and when something is due. All of it runs within a write of the database.
import type { Database } from '../database.ts';
import { type Stamps, stamp, withProperties } from './message.ts';

export const messageTables = `
  CREATE TABLE IF NOT EXISTS content (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS message (
    place INTEGER NOT NULL, seq INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, enqueued INTEGER NOT NULL,
    ttl INTEGER, expires INTEGER, due INTEGER, token BLOB, size INTEGER NOT NULL, origin INTEGER NOT NULL, source TEXT, hops INTEGER NOT NULL,
    content INTEGER NOT NULL, PRIMARY KEY (place, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ready ON message (place, seq) WHERE state = 0;
  CREATE INDEX IF NOT EXISTS due ON message (due) WHERE due IS NOT NULL;`;

/** The first three are the service's own numbers (x-opt-message-state). */
export const State = { ready: 0, deferred: 1, scheduled: 2, locked: 3, lockedDeferred: 4 } as const;

export interface Row {
  /** The id of a place, and the sequence number there. */
  readonly place: number;
  readonly seq: number;
  readonly state: number;
  /** Deliveries so far. */
  readonly attempts: number;
  readonly enqueued: number;
  /** The sender's time to live in ms; `expires` is bounded by the queue's too. */
  readonly ttl: number | null;
  readonly expires: number | null;
  /** When its lock ends, it becomes active, or it expires, by its state. */
  readonly due: number | null;
  /** The lock. */
  readonly token: Uint8Array | null;
  readonly size: number;
  /** For a message that was forwarded: its first sequence number, the queue it came from, and how often. */
  readonly origin: number;
  readonly source: string | null;
  readonly hops: number;
  /** The id of its bytes. */
  readonly content: number;
}
const columns = [
  'place',
  'seq',
  'state',
  'attempts',
  'enqueued',
  'ttl',
  'expires',
  'due',
  'token',
  'size',
  'origin',
  'source',
  'hops',
  'content',
] as const;
const select = `SELECT ${columns} FROM message`;
const insert = `INSERT INTO message (${columns}) VALUES (${columns.map(() => '?')})`;

export class Rows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  // The select lists of these three are `columns`; `where` is constant text, and may begin with the index to use.
  one(where: string, ...values: (number | Buffer)[]): Row | undefined {
    return this.#database.sql(`${select} ${where}`).get(...values) as Row | undefined;
  }

  all(where: string, ...values: number[]): Row[] {
    return this.#database.sql(`${select} ${where}`).all(...values) as unknown as Row[];
  }

  each(where: string, ...values: number[]): Iterable<Row> {
    return this.#database.sql(`${select} ${where}`).iterate(...values) as unknown as Iterable<Row>;
  }

  add(row: Row): void {
    this.#database.sql(insert).run(...columns.map((column) => row[column]));
  }

  change(row: Row, state: number, attempts: number, due: number | null, token: Buffer | null = null): void {
    const update = 'UPDATE message SET state = ?, attempts = ?, due = ?, token = ? WHERE place = ? AND seq = ?';
    this.#database.sql(update).run(state, attempts, due, token, row.place, row.seq);
  }

  /** Takes a row away; its bytes stay. */
  remove(row: Row): void {
    this.#database.sql('DELETE FROM message WHERE place = ? AND seq = ?').run(row.place, row.seq);
  }

  addContent(bytes: Buffer): number {
    return Number(this.#database.sql('INSERT INTO content (bytes) VALUES (?)').run(bytes).lastInsertRowid);
  }

  removeContent(row: Row): void {
    this.#database.sql('DELETE FROM content WHERE id = ?').run(row.content);
  }

  /** The message as it goes to a receiver. */
  stamped(row: Row, lockedUntil?: number): Buffer {
    const stamps: Stamps = {
      deliveryCount: row.attempts,
      ttl: row.expires === null ? undefined : row.expires - row.enqueued,
      sequence: row.seq,
      origin: row.origin,
      enqueued: row.enqueued,
      state: row.state === State.locked ? State.ready : row.state === State.lockedDeferred ? State.deferred : row.state,
      lockedUntil,
      deadLetterSource: row.source ?? undefined,
    };
    return stamp(this.#content(row), stamps);
  }

  /** Sets application properties; undefined ones are left as they are. */
  rewrite(row: Row, properties: Readonly<Record<string, unknown>>): void {
    const kept = this.#content(row);
    const bytes = withProperties(kept, properties);
    if (bytes !== kept) this.#database.sql('UPDATE content SET bytes = ? WHERE id = ?').run(bytes, row.content);
  }

  nextDue(): number | null {
    return this.#database.sql('SELECT MIN(due) AS due FROM message WHERE due IS NOT NULL').get()?.['due'] as number | null;
  }

  sizes(): { place: number; size: number }[] {
    return this.#database.sql('SELECT place, SUM(size) AS size FROM message GROUP BY place').all() as { place: number; size: number }[];
  }

  counts(place: number): { state: number; count: number }[] {
    const count = 'SELECT state, COUNT(*) AS count FROM message WHERE place = ? GROUP BY state';
    return this.#database.sql(count).all(place) as { state: number; count: number }[];
  }

  #content(row: Row): Buffer {
    const bytes = this.#database.sql('SELECT bytes FROM content WHERE id = ?').get(row.content)?.['bytes'];
    if (!(bytes instanceof Uint8Array)) throw new Error(`message ${row.seq} has no content`);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
