// What becomes of messages: sent, locked, settled, deferred, scheduled, expired, dead-lettered, forwarded. The rows in SQLite are the only state, so
// memory holds no message and a restart forgets none.
import { randomBytes } from 'node:crypto';
import type { Database } from '../database.ts';
import { Alarm } from './alarm.ts';
import { AmqpError, lockLost, notFound } from './amqp.ts';
import type { Incoming } from './message.ts';
import type { Place, Queue, Queues } from './queues.ts';
import { type Row, Rows, State } from './rows.ts';
import { FOREVER } from './settings.ts';

const MOST_HOPS = 4;
const DUE_AT_ONCE = 256;
const PEEKED_BYTES = 256 * 1_024;

/** A message on its way to a receiver; `token` is its lock, without one it is already deleted. */
export interface Outgoing {
  readonly bytes: Buffer;
  readonly token?: Buffer;
}

export interface Settlement {
  /** `release` gives a message back as `abandon` does, and counts no delivery. */
  readonly verb: 'complete' | 'abandon' | 'release' | 'defer' | 'deadletter';
  /** Application properties to set. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  /** Of a dead letter. */
  readonly reason?: string | undefined;
  readonly description?: string | undefined;
}

export class Messages {
  readonly #database: Database;
  readonly #rows: Rows;
  readonly #queues: Queues;
  readonly #largestQueue: number | undefined;
  readonly #wake: (place: Place) => void;
  readonly #alarm = new Alarm(() => this.#elapse());

  /** `wake` is called when a place may have something to deliver. `largestQueue` replaces every queue's own maximum size, in bytes. */
  constructor(database: Database, queues: Queues, wake: (place: Place) => void, largestQueue?: number) {
    this.#database = database;
    this.#rows = new Rows(database);
    this.#queues = queues;
    this.#wake = wake;
    this.#largestQueue = largestQueue;
  }

  /** Takes up where the last process stopped: its locks are gone, and count as a delivery. */
  async open(): Promise<void> {
    for (const { place, size } of this.#rows.sizes()) {
      const queue = this.#queues.place(place)?.queue;
      if (queue) queue.size += size;
    }
    await this.#database.write(() => {
      for (const row of this.#rows.all(`WHERE state IN (${State.locked}, ${State.lockedDeferred})`)) this.#unlock(row);
    });
    this.#alarm.at(this.#rows.nextDue());
  }

  close(): void {
    this.#alarm.off();
  }

  /** Keeps messages, all or none; answers their sequence numbers once they are on disk. @throws AmqpError resource-limit-exceeded */
  enqueue(queue: Queue, incoming: readonly Incoming[]): Promise<number[]> {
    return this.#database.write(() => {
      // A delayed send may find its queue gone.
      if (!this.#queues.place(queue.main.id)) throw notFound(queue.name);
      const size = incoming.reduce((sum, message) => sum + message.size, 0);
      if (!this.#fits(queue, size)) {
        const sizes = `Size of entity in bytes: ${queue.size}, Max entity size in bytes: ${this.#largest(queue)}.`;
        throw new AmqpError(
          'amqp:resource-limit-exceeded',
          `The maximum entity size has been reached or exceeded for Queue: '${queue.name}'. ${sizes}`,
        );
      }
      queue.accessed = Date.now();
      return incoming.map(({ bytes, scheduled, ...message }) =>
        this.#add(
          queue,
          { ...message, ttl: message.ttl ?? null, origin: 0, source: null, hops: 0, content: this.#rows.addContent(bytes) },
          scheduled,
        ),
      );
    });
  }

  /** Within a write: locks the next message of a place, or deletes it, and gives it. */
  next(place: Place, lock: boolean): Outgoing | undefined {
    for (;;) {
      const row = this.#rows.one(`INDEXED BY ready WHERE place = ? AND state = ${State.ready} ORDER BY seq LIMIT 1`, place.id);
      if (!row || !hasExpired(place, row)) return row && this.#give(place, row, lock);
      this.#expire(row);
    }
  }

  /** Undoes `next` for a message that never left: it is not a delivery. */
  giveBack(place: Place, token: Buffer): Promise<void> {
    return this.#database.write(() => {
      const row = this.#lockedBy(place, token);
      if (row) this.#unlock({ ...row, attempts: row.attempts - 1 });
    });
  }

  /** Lets a lock go as if its time had run out. */
  loseLock(place: Place, token: Buffer): Promise<void> {
    return this.#database.write(() => {
      const row = this.#lockedBy(place, token);
      if (row) this.#unlock(row);
    });
  }

  /** @throws AmqpError message-lock-lost */
  settle(place: Place, token: Buffer, { verb, properties = {}, reason, description }: Settlement): Promise<void> {
    return this.#database.write(() => {
      const row = this.#lockedBy(place, token);
      if (!row) throw lockLost();
      if (verb === 'deadletter' && place.dead) throw new AmqpError('amqp:not-allowed', 'A dead letter cannot be dead-lettered.');
      place.queue.accessed = Date.now();
      if (verb === 'complete') this.#delete(row);
      else if (verb === 'deadletter') this.#deadLetter(row, reason, description, properties);
      else if (verb === 'release') this.#unlock({ ...row, attempts: row.attempts - 1 });
      else {
        this.#rows.rewrite(row, properties);
        if (verb === 'abandon') this.#unlock(row);
        else this.#change(row, State.deferred, row.attempts, null);
      }
    });
  }

  /** Starts lock durations anew, all or none; answers until when. @throws AmqpError message-lock-lost */
  renew(place: Place, tokens: readonly Buffer[]): Promise<number> {
    return this.#database.write(() => {
      const until = Date.now() + place.queue.settings.lockDuration;
      for (const token of tokens) {
        const row = this.#lockedBy(place, token);
        if (!row) throw lockLost();
        this.#change(row, row.state, row.attempts, until, token);
      }
      return until;
    });
  }

  /** Messages in any state from a sequence number on, at most `count` and about 256 KB. */
  peek(place: Place, from: number, count: number): Promise<Buffer[]> {
    return this.#database.read(() => {
      const found: Buffer[] = [];
      let bytes = 0;
      for (const row of this.#rows.each('WHERE place = ? AND seq >= ? ORDER BY seq', place.id, from)) {
        bytes += row.size;
        if (found.length === count || (found.length > 0 && bytes > PEEKED_BYTES)) break;
        found.push(this.#rows.stamped(row));
      }
      return found;
    });
  }

  /** Locks deferred messages by sequence number, or deletes them, all or none. @throws AmqpError message-not-found */
  async deferred(place: Place, sequences: readonly number[], lock: boolean): Promise<Outgoing[]> {
    const given = await this.#database.write(() => {
      const rows = [...new Set(sequences)].map((seq) =>
        this.#rows.one(`WHERE place = ? AND seq = ? AND state = ${State.deferred}`, place.id, seq),
      );
      // A deferred message expires only when someone asks for it.
      const expired = rows.filter((row) => row !== undefined && hasExpired(place, row));
      for (const row of expired) if (row) this.#expire(row);
      if (expired.length > 0 || rows.includes(undefined)) return undefined;
      return rows.flatMap((row) => (row ? this.#give(place, row, lock) : []));
    });
    if (given) return given;
    throw notThere('Failed to lock one or more specified messages. The message does not exist.');
  }

  /** Deletes scheduled messages, all or none. @throws AmqpError message-not-found */
  cancel(place: Place, sequences: readonly number[]): Promise<void> {
    return this.#database.write(() => {
      const rows = [...new Set(sequences)].map((seq) => {
        const row = this.#rows.one(`WHERE place = ? AND seq = ? AND state = ${State.scheduled}`, place.id, seq);
        if (!row) throw notThere(`The scheduled message with sequence number ${seq} does not exist.`);
        return row;
      });
      for (const row of rows) this.#delete(row);
    });
  }

  /** Active counts what is locked or deferred too, as the service does. */
  counts(queue: Queue): Promise<{ active: number; scheduled: number; deadLettered: number }> {
    return this.#database.read(() => {
      const total = (counts: { count: number }[]) => counts.reduce((sum, { count }) => sum + count, 0);
      const main = this.#rows.counts(queue.main.id);
      const scheduled = total(main.filter(({ state }) => state === State.scheduled));
      return { active: total(main) - scheduled, scheduled, deadLettered: total(this.#rows.counts(queue.deadLetters.id)) };
    });
  }

  #largest(queue: Queue): number {
    return this.#largestQueue ?? queue.settings.maxSizeInMegabytes * 1_048_576;
  }

  #fits(queue: Queue, size: number): boolean {
    return queue.size + size <= this.#largest(queue);
  }

  /** Puts a message at the end of a queue, or sets it aside until its time has come. */
  #add(queue: Queue, message: Pick<Row, 'size' | 'ttl' | 'origin' | 'source' | 'hops' | 'content'>, scheduled = 0): number {
    const now = Date.now();
    const waits = scheduled > now;
    const life = Math.min(message.ttl ?? FOREVER, queue.settings.defaultMessageTimeToLive);
    const expires = waits || life === FOREVER ? null : now + life;
    const seq = this.#queues.nextSequence(queue);
    const due = waits ? scheduled : expires;
    const state = waits ? State.scheduled : State.ready;
    this.#rows.add({ ...message, place: queue.main.id, seq, state, attempts: 0, enqueued: now, expires, due, token: null });
    queue.size += message.size;
    this.#alarm.at(due);
    if (!waits) this.#rouse(queue.main);
    return seq;
  }

  #give(place: Place, row: Row, lock: boolean): Outgoing {
    place.queue.accessed = Date.now();
    if (!lock) {
      const bytes = this.#rows.stamped(row);
      this.#delete(row);
      return { bytes };
    }
    const token = randomBytes(16);
    token.writeBigInt64BE(BigInt(row.seq));
    const lockedUntil = place.queue.accessed + place.queue.settings.lockDuration;
    this.#change(row, row.state === State.deferred ? State.lockedDeferred : State.locked, row.attempts + 1, lockedUntil, token);
    return { bytes: this.#rows.stamped(row, lockedUntil), token };
  }

  /** The message a token still locks; a token begins with its sequence number. */
  #lockedBy(place: Place, token: Buffer): Row | undefined {
    if (token.length !== 16) return undefined;
    return this.#rows.one(
      'WHERE place = ? AND seq = ? AND token = ? AND due > ?',
      place.id,
      Number(token.readBigInt64BE()),
      token,
      Date.now(),
    );
  }

  #change(row: Row, state: number, attempts: number, due: number | null, token?: Buffer): void {
    this.#rows.change(row, state, attempts, due, token);
    this.#alarm.at(due);
  }

  #unlock(row: Row): void {
    const place = this.#queues.place(row.place);
    if (!place) return;
    const most = place.queue.settings.maxDeliveryCount;
    if (!place.dead && row.attempts >= most) {
      this.#deadLetter(row, 'MaxDeliveryCountExceeded', `Message could not be consumed after ${most} delivery attempts.`);
    } else if (row.state === State.lockedDeferred) {
      this.#change(row, State.deferred, row.attempts, null);
    } else {
      this.#change(row, State.ready, row.attempts, place.dead ? null : row.expires);
      this.#rouse(place);
    }
  }

  #expire(row: Row): void {
    if (this.#queues.place(row.place)?.queue.settings.deadLetteringOnMessageExpiration) {
      this.#deadLetter(row, 'TTLExpiredException', 'The message expired and was dead lettered.');
    } else this.#delete(row);
  }

  #deadLetter(row: Row, reason?: string, description?: string, properties: Readonly<Record<string, unknown>> = {}): void {
    const queue = this.#queues.place(row.place)?.queue;
    if (!queue) return;
    this.#rows.rewrite(row, { ...properties, DeadLetterReason: reason, DeadLetterErrorDescription: description });
    this.#rows.remove(row);
    const target = this.#queues.get(queue.settings.forwardDeadLetteredMessagesTo ?? '');
    if (target?.accepts && this.#fits(target, row.size) && row.hops < MOST_HOPS) {
      queue.size -= row.size;
      this.#add(target, { ...row, origin: row.origin || row.seq, source: queue.name, hops: row.hops + 1 });
    } else {
      this.#rows.add({ ...row, place: queue.deadLetters.id, state: State.ready, due: null, token: null });
      this.#rouse(queue.deadLetters);
    }
  }

  #delete(row: Row): void {
    this.#rows.remove(row);
    this.#rows.removeContent(row);
    const queue = this.#queues.place(row.place)?.queue;
    if (queue) queue.size -= row.size;
  }

  #rouse(place: Place): void {
    place.ready = true;
    this.#wake(place);
  }

  /** Plays what is due: locks run out, scheduled messages join their queue as if sent now, messages expire. */
  #elapse(): void {
    const played = this.#database.write(() => {
      for (const row of this.#rows.all(`WHERE due <= ? ORDER BY due LIMIT ${DUE_AT_ONCE}`, Date.now())) {
        const queue = this.#queues.place(row.place)?.queue;
        if (row.state === State.scheduled && queue) {
          this.#rows.remove(row);
          queue.size -= row.size;
          this.#add(queue, row);
        } else if (row.state === State.ready) this.#expire(row);
        else this.#unlock(row);
      }
      this.#alarm.at(this.#rows.nextDue());
    });
    played.catch((error: unknown) => console.error('service-bus: what was due could not be played', error));
  }
}

function hasExpired(place: Place, row: Row): boolean {
  return !place.dead && row.expires !== null && row.expires <= Date.now();
}

const notThere = (description: string) => new AmqpError('com.microsoft:message-not-found', description);
