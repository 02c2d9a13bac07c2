// The queues of the namespace: kept in memory whole, and in the table `queue`.
import type { Database } from '../database.ts';
import type { Settings } from './settings.ts';

/** A store of messages: a queue, or its dead-letter queue. */
export interface Place {
  readonly id: number;
  readonly queue: Queue;
  readonly dead: boolean;
  /** False once a look found nothing to deliver, until something may have come. */
  ready: boolean;
}

export class Queue {
  readonly id: number;
  /** As it was created; names are compared without regard to case. */
  readonly name: string;
  readonly main: Place;
  readonly deadLetters: Place;
  readonly created: number;
  settings: Settings;
  updated: number;
  accessed: number;
  /** Bytes of all messages, dead letters included. */
  size = 0;
  /** The next sequence number, and the last one set aside on disk. */
  next: number;
  reserved: number;

  constructor(id: number, name: string, settings: Settings, created: number, updated: number, sequence: number) {
    this.id = id;
    this.name = name;
    this.settings = settings;
    this.created = created;
    this.updated = updated;
    this.accessed = updated;
    this.next = sequence + 1;
    this.reserved = sequence;
    this.main = { id: id * 2, queue: this, dead: false, ready: true };
    this.deadLetters = { id: id * 2 + 1, queue: this, dead: true, ready: true };
  }

  /** Whether its status lets messages in. */
  get accepts(): boolean {
    return this.settings.status === 'Active' || this.settings.status === 'ReceiveDisabled';
  }

  /** Whether its status lets messages out. */
  get gives(): boolean {
    return this.settings.status === 'Active' || this.settings.status === 'SendDisabled';
  }
}

export const queueTable = `
  CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, settings TEXT NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, updated INTEGER NOT NULL
  ) STRICT;`;

const SEQUENCES_SET_ASIDE = 1_000;

export class Queues {
  readonly #database: Database;
  readonly #byName = new Map<string, Queue>();
  readonly #places = new Map<number, Place>();

  constructor(database: Database) {
    this.#database = database;
    for (const row of database.sql('SELECT id, name, settings, sequence, created, updated FROM queue').all()) {
      // The table is STRICT, and settings are written by this class alone.
      const { id, name, created, updated, sequence } = row as {
        id: number;
        name: string;
        created: number;
        updated: number;
        sequence: number;
      };
      this.#add(new Queue(id, name, JSON.parse(String(row['settings'])) as Settings, created, updated, sequence));
    }
  }

  get count(): number {
    return this.#byName.size;
  }

  get(name: string): Queue | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  place(id: number): Place | undefined {
    return this.#places.get(id);
  }

  page(skip: number, top: number): Queue[] {
    const names = [...this.#byName.keys()].sort().slice(skip, skip + top);
    return names.flatMap((name) => this.#byName.get(name) ?? []);
  }

  /** The queue or dead-letter queue at a path in lower case, or whose management node is there. */
  resolve(path: string): Place | undefined {
    const [, name = '', dead] = /^(.*?)(\/\$deadletterqueue)?(?:\/\$management)?$/.exec(path) ?? [];
    const queue = this.#byName.get(name);
    return dead ? queue?.deadLetters : queue?.main;
  }

  create(name: string, settings: Settings): Promise<Queue> {
    return this.#database.write(() => {
      const now = Date.now();
      const insert = this.#database.sql('INSERT INTO queue (name, settings, created, updated) VALUES (?, ?, ?, ?)');
      const { lastInsertRowid } = insert.run(name, JSON.stringify(settings), now, now);
      return this.#add(new Queue(Number(lastInsertRowid), name, settings, now, now, 0));
    });
  }

  update(queue: Queue, settings: Settings): Promise<void> {
    return this.#database.write(() => {
      const now = Date.now();
      this.#database.sql('UPDATE queue SET settings = ?, updated = ? WHERE id = ?').run(JSON.stringify(settings), now, queue.id);
      queue.settings = settings;
      queue.updated = now;
    });
  }

  delete(queue: Queue): Promise<void> {
    return this.#database.write(() => {
      const { main, deadLetters } = queue;
      const ofQueue = 'message WHERE place IN (?, ?)';
      this.#database.sql(`DELETE FROM content WHERE id IN (SELECT content FROM ${ofQueue})`).run(main.id, deadLetters.id);
      this.#database.sql(`DELETE FROM ${ofQueue}`).run(main.id, deadLetters.id);
      this.#database.sql('DELETE FROM queue WHERE id = ?').run(queue.id);
      this.#byName.delete(queue.name.toLowerCase());
      for (const place of [main, deadLetters]) this.#places.delete(place.id);
    });
  }

  /** A sequence number no message of the queue ever had. Runs inside a write that cannot fail any more: what is set aside must not be undone. */
  nextSequence(queue: Queue): number {
    if (queue.next > queue.reserved) {
      queue.reserved = queue.next + SEQUENCES_SET_ASIDE;
      this.#database.sql('UPDATE queue SET sequence = ? WHERE id = ?').run(queue.reserved, queue.id);
    }
    return queue.next++;
  }

  #add(queue: Queue): Queue {
    this.#byName.set(queue.name.toLowerCase(), queue);
    for (const place of [queue.main, queue.deadLetters]) this.#places.set(place.id, place);
    return queue;
  }
}
