// Where a tenant's dead letters lie, and the way to one of them. Every queue forwards its dead letters to the tenant's `dlq`; a message keeps its time to live
// on the way (Azure/azure-sdk-for-net#6748), and when that ends there too, it moves on to the dead letters of `dlq` itself, where it stays.
import type { Bus } from '../bus/bus.ts';
import type { QueueReader, ReceivedMessage } from '../bus/queue-reader.ts';
import { wait } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import type { TenantScope } from '../scope/scope.ts';

/** In the order in which a letter passes through them: so one that moves while they are gone through is seen twice rather than not at all. */
export const places = ['forwarded', 'expired'] as const;
export type Place = (typeof places)[number];

export interface Letter {
  readonly place: Place;
  readonly message: ReceivedMessage;
}

export interface HeldLetter {
  remove(): Promise<void>;
  putBack(): Promise<void>;
}

/** The most the service shows at once. */
const pageSize = 250;
/** 256 KB each: all that a queue of 1 GB can hold. */
const maxPages = 4_096;
const atOnce = 32;
const receiveMs = 1_000;
const lockTries = 8;

export class DeadLetterBox {
  readonly #readers: Readonly<Record<Place, QueueReader>>;

  constructor(bus: Bus, scope: TenantScope) {
    this.#readers = { forwarded: bus.reader(scope, 'dlq'), expired: bus.reader(scope, 'dlq', { ofDeadLetters: true }) };
  }

  async close(): Promise<void> {
    await Promise.all(places.map((place) => this.#readers[place].close()));
  }

  /** Letters in order, from behind a place and a sequence number. */
  async page(limit: number, after?: { readonly place: Place; readonly sequenceNumber: string }): Promise<Letter[]> {
    const letters: Letter[] = [];
    for (const place of places.slice(after ? places.indexOf(after.place) : 0)) {
      let from = after?.place === place ? next(after.sequenceNumber) : '0';
      while (letters.length < limit) {
        const messages = await this.#readers[place].peek({ from, limit: Math.min(limit - letters.length, pageSize) });
        const last = messages.at(-1);
        if (!last) break;
        letters.push(...messages.map((message) => ({ place, message })));
        from = next(last.sequenceNumber);
      }
    }
    return letters;
  }

  /** Every letter of this message id: a send whose answer was lost may have made two. */
  async find(messageId: string): Promise<Letter[]> {
    const found: Letter[] = [];
    let last: Letter | undefined;
    for (let pages = 0; pages < maxPages; pages++) {
      const letters = await this.page(pageSize, last && { place: last.place, sequenceNumber: last.message.sequenceNumber });
      found.push(...letters.filter(({ message }) => message.messageId === messageId));
      last = letters.at(-1);
      if (!last) return found;
    }
    throw new DependencyError('serviceBus', 'the dead letters grow faster than they can be looked through');
  }

  /** Takes a letter so that nobody else can, for a minute. `busy` while somebody else has it. */
  async hold(letter: Letter): Promise<HeldLetter | 'busy' | 'gone'> {
    let sought: Letter | undefined = letter;
    for (let count = 0; sought && count < lockTries; count++) {
      const reader = this.#readers[sought.place];
      const locked = await this.#lock(sought);
      if (locked) return { remove: () => reader.complete(locked), putBack: () => reader.abandon(locked) };
      await wait(25 * count);
      sought = (await this.find(letter.message.messageId)).find(({ message }) => isSame(message, letter.message));
    }
    return sought ? 'busy' : 'gone';
  }

  /**
   * Locks one letter. Nothing can be received but from the front, so what lies in front is deferred: it is shown and found as before, is locked by its
   * number from then on, and loses one delivery by it.
   */
  async #lock({ place, message }: Letter): Promise<ReceivedMessage | undefined> {
    const reader = this.#readers[place];
    const isSought = ({ sequenceNumber }: ReceivedMessage) => sequenceNumber === message.sequenceNumber;
    if (message.deferred) return (await reader.receiveDeferred([message.sequenceNumber])).find(isSought);
    for (let left = await this.#inFront(place, message); left > 0; ) {
      const received = await reader.receive(Math.min(left, atOnce), receiveMs);
      for (const other of received) if (!isSought(other)) await reader.defer(other);
      const sought = received.find(isSought);
      if (sought || received.length === 0) return sought;
      left -= received.length;
    }
    return undefined;
  }

  /** How many have to be received to get this one, itself included. */
  async #inFront(place: Place, { sequenceNumber }: ReceivedMessage): Promise<number> {
    let count = 0;
    for (let from = '0'; ; ) {
      const messages = await this.#readers[place].peek({ from, limit: pageSize });
      const last = messages.at(-1);
      if (!last) return count;
      count += messages.filter((each) => !each.deferred && BigInt(each.sequenceNumber) <= BigInt(sequenceNumber)).length;
      if (BigInt(last.sequenceNumber) >= BigInt(sequenceNumber)) return count;
      from = next(last.sequenceNumber);
    }
  }
}

const next = (sequenceNumber: string) => String(BigInt(sequenceNumber) + 1n);

/** The same letter, also when it has moved to the other place; or a copy of it. */
export function isSame(one: ReceivedMessage, other: ReceivedMessage): boolean {
  return one.messageId === other.messageId && JSON.stringify(one.body) === JSON.stringify(other.body);
}
