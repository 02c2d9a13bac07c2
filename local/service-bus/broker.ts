// What all connections of the broker share, and the hand that gives waiting messages to waiting receivers.
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from '../database.ts';
import type { Fault, Faults } from '../faults.ts';
import type { Guard } from './access.ts';
import { AmqpError, lockLost } from './amqp.ts';
import { Messages, type Outgoing } from './messages.ts';
import type { Place, Queue, Queues } from './queues.ts';

/** Limits of a Standard namespace. */
export interface Limits {
  readonly entities: number;
  readonly connections: number;
  /** Of one message or batch, headers included. */
  readonly messageBytes: number;
  /** Of one queue; its own `maxSizeInMegabytes` when absent. */
  readonly queueBytes?: number;
}
export const standardLimits: Limits = { entities: 10_000, connections: 5_000, messageBytes: 262_144 };

/** A receiver's link. */
export interface Taker {
  /** How many messages it can be given now. */
  readonly room: number;
  readonly peekLock: boolean;
  /** Counts a message that will be given once it is committed. */
  reserve(): void;
  give(message: Outgoing): void;
  /** Called when nothing more can be given now. */
  idle(): void;
}

/** The other end of a connection. */
export interface Client {
  /** Breaks the connection without a word. */
  cut(): void;
  /** Closes every link at or below a path that its tokens, its queue's rules or its queue's status no longer allow. */
  recheck(under: string): void;
  close(): Promise<void>;
}

const GIVEN_AT_ONCE = 256;

export class Broker {
  readonly clients = new Set<Client>();
  readonly database: Database;
  readonly queues: Queues;
  readonly messages: Messages;
  readonly guard: Guard;
  readonly limits: Limits;
  readonly #faults: Faults;
  readonly #admitted = new Set<Client>();
  readonly #takers = new Map<Place, Set<Taker>>();
  readonly #woken = new Set<Place>();

  constructor(database: Database, queues: Queues, guard: Guard, limits: Limits, faults: Faults) {
    this.database = database;
    this.queues = queues;
    this.guard = guard;
    this.limits = limits;
    this.#faults = faults;
    this.messages = new Messages(database, queues, (place) => this.wake(place), limits.queueBytes);
  }

  /** Counts a connection among those of the namespace once it shows a token. @throws AmqpError resource-limit-exceeded */
  admit(client: Client): void {
    if (this.#admitted.size >= this.limits.connections && !this.#admitted.has(client)) {
      throw new AmqpError('amqp:resource-limit-exceeded', 'ConnectionsQuotaExceeded for namespace: local.');
    }
    this.#admitted.add(client);
  }

  leave(client: Client): void {
    this.clients.delete(client);
    this.#admitted.delete(client);
  }

  listen(place: Place, taker: Taker): void {
    const takers = this.#takers.get(place) ?? new Set();
    this.#takers.set(place, takers.add(taker));
  }

  unlisten(place: Place, taker: Taker): void {
    const takers = this.#takers.get(place);
    takers?.delete(taker);
    if (takers?.size === 0) this.#takers.delete(place);
  }

  /** Looks, at the end of this turn, whether a place has messages for its takers. */
  wake(place: Place): void {
    if (!this.#takers.has(place)) return;
    if (this.#woken.size === 0) queueMicrotask(() => this.#dispatch());
    this.#woken.add(place);
  }

  /** After a change of a queue's settings: its links are asked again whether they may stay. */
  recheck(queue: Queue): void {
    for (const client of this.clients) client.recheck(queue.name.toLowerCase());
  }

  /**
   * Plays the faults around one operation, named `verb entity`. A drop cuts the connection before the work or, as often, after it.
   * @throws AmqpError server-busy, internal-error, message-lock-lost (after `lose` let the lock go)
   */
  async play<T>(client: Client, operation: string, work: () => T | Promise<T>, lose?: () => Promise<void>): Promise<T> {
    this.count(operation.slice(0, operation.indexOf(' ')));
    const fault = this.#faults.strike('serviceBus', operation, lose ? [...overAmqp, 'lockLost'] : overAmqp);
    if (!fault) return work();
    switch (fault.effect) {
      case 'latency':
        await wait(fault.ms ?? 1_000);
        return work();
      case 'lockLost':
        await lose?.();
        throw lockLost();
      case 'drop': {
        const before = Math.random() < 0.5;
        if (!before) await work();
        client.cut();
        throw new AmqpError('amqp:connection:forced', 'The connection was dropped on request.');
      }
      default:
        throw failure(fault);
    }
  }

  /** One more operation of this kind; `play` counts those it plays. */
  count(verb: string): void {
    this.#faults.operations.add('serviceBus', verb);
  }

  #dispatch(): void {
    const places = [...this.#woken];
    this.#woken.clear();
    for (const place of places) this.#serve(place).catch((error: unknown) => console.error('service-bus: delivery failed', error));
  }

  /** Locks what the takers have room for in one write, each in turn, and gives it when it is on disk. */
  async #serve(place: Place): Promise<void> {
    const waiting = this.#takers.get(place) ?? new Set();
    const takers = [...waiting];
    const given: [Taker, Outgoing][] = [];
    if (place.ready && takers.some((taker) => taker.room > 0)) {
      await this.database.write(() => {
        for (let turn = 0, passed = 0; passed < takers.length && given.length < GIVEN_AT_ONCE; turn++) {
          const taker = takers[turn % takers.length];
          if (!taker || taker.room <= 0) {
            passed++;
            continue;
          }
          passed = 0;
          const message = this.messages.next(place, taker.peekLock);
          if (!message) {
            place.ready = false;
            break;
          }
          taker.reserve();
          given.push([taker, message]);
        }
      });
    }
    for (const [taker, message] of given) taker.give(message);
    const last = given.at(-1)?.[0];
    if (last && waiting.delete(last)) waiting.add(last);
    if (given.length === GIVEN_AT_ONCE) this.wake(place);
    else for (const taker of takers) taker.idle();
  }
}

const overAmqp = ['429', '500', 'latency', 'drop'] as const;

function failure(fault: Fault): AmqpError {
  return fault.effect === '429'
    ? new AmqpError(
        'com.microsoft:server-busy',
        'The request was terminated because the entity is being throttled. Error code: 50009. Please wait 2 seconds and try again.',
      )
    : new AmqpError('amqp:internal-error', 'The service was unable to process the request; please retry the operation.');
}
