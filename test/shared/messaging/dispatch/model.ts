// A world for the dispatcher's own functions in which anything may come between any two of their calls: every interleaving is run, crashes included.
// States that have been seen are not gone through again, so what is bounded is explored wholly.
import type { Call, Lane } from '../../../../shared/messaging/dispatch/call.ts';
import type { Ground } from '../../../../shared/messaging/dispatch/ground.ts';
import type { Stored } from '../../../../shared/storage/documents.ts';

/** A lock and the sweep's period; a lease of a slot is no longer. */
export const minuteMs = 60_000;
/** Longer than a marker is believed. */
const lateMs = 11_000;

interface Message {
  readonly id: string;
  lockedUntil: number;
}

interface Rung {
  readonly call: Call;
  readonly at: number;
  readonly again: boolean;
}

/** What goes on in the world; `step` is where another actor may come between. */
export interface World extends Ground {
  step<T>(what: string, work: () => T): Promise<T>;
  put(id: string): Promise<void>;
  /** Locks the first message that is not locked. */
  receive(): Promise<string | undefined>;
  complete(id: string): Promise<void>;
  /** What a peek shows: locked ones too. */
  isEmpty(): Promise<boolean>;
}

export interface Bounds {
  readonly senders: number;
  readonly messagesEach: number;
  readonly dispatchers: number;
  readonly crashes: number;
  /** How often everything stands still for longer than a marker is believed. */
  readonly delays: number;
}

export interface Parts {
  readonly send: (world: World, id: string) => Promise<void>;
  readonly turn: (world: World, call: Call, again: boolean) => Promise<void>;
  readonly sweep: (world: World) => Promise<void>;
}

export interface Found {
  readonly states: number;
  readonly ends: number;
  /** The first way found to a message that stays silent, step by step; undefined when there is none. */
  readonly silent?: readonly string[];
}

interface Actor {
  readonly name: string;
  readonly kind: 'sender' | 'dispatcher' | 'sweep';
  /** What it was answered since it began; with its code, that is all there is to know of it. */
  history: string[];
  pending: { what: string; enabled: () => boolean; run: () => void } | undefined;
  parked: PromiseWithResolvers<void>;
  /** The ring a dispatcher has in hand. */
  rung: Rung | undefined;
  over: boolean;
}

type Choice = { readonly kind: 'step' | 'crash'; readonly actor: number } | { readonly kind: 'delay' } | { readonly kind: 'sweep' };

class Run {
  readonly #bounds: Bounds;
  readonly #parts: Parts;
  readonly #actors: Actor[] = [];
  readonly #documents = new Map<string, unknown>();
  #rings: Rung[] = [];
  #messages: Message[] = [];
  #now = 0;
  #ids = 0;
  #crashes = 0;
  #delays = 0;
  #swept = false;
  readonly trace: string[] = [];

  constructor(bounds: Bounds, parts: Parts) {
    this.#bounds = bounds;
    this.#parts = parts;
  }

  async begin(): Promise<void> {
    const { senders, messagesEach, dispatchers } = this.#bounds;
    for (let at = 0; at < senders; at++)
      await this.#start(`sender ${at}`, 'sender', async (world) => {
        for (let count = 0; count < messagesEach; count++) await this.#parts.send(world, `${at}.${count}`);
      });
    for (let at = 0; at < dispatchers; at++) await this.#startDispatcher(`dispatcher ${at}`);
  }

  /** Everything that can happen next. */
  get choices(): Choice[] {
    const steps = this.#actors.flatMap((actor, at): Choice[] => {
      if (actor.over || !actor.pending?.enabled()) return [];
      const mayCrash = this.#crashes < this.#bounds.crashes && !this.#swept && (actor.kind === 'sender' || actor.rung !== undefined);
      return [{ kind: 'step', actor: at }, ...(mayCrash ? [{ kind: 'crash', actor: at } as const] : [])];
    });
    if (steps.length > 0) return this.#delays < this.#bounds.delays && !this.#swept ? [...steps, { kind: 'delay' }] : steps;
    return this.#crashes > 0 && !this.#swept ? [{ kind: 'sweep' }] : [];
  }

  get isSilent(): boolean {
    return this.#messages.length > 0;
  }

  /** Two runs with the same key go on alike. */
  get key(): string {
    const ids: string[] = [];
    const standing = (id: string) => `#${ids.includes(id) ? ids.indexOf(id) : ids.push(id) - 1}`;
    // It does not matter which of two dispatchers is where.
    const actors = this.#actors
      .map(({ kind, history, over, rung, pending }) => JSON.stringify([kind, history, over, rung, pending?.what]))
      .sort();
    const state = [actors, [...this.#documents].sort(), this.#rings, this.#messages, this.#now, this.#crashes, this.#delays, this.#swept];
    // Ids are told apart by where they stand, not by when they were made.
    return JSON.stringify(state).replace(/#\d+/g, standing);
  }

  async apply(choice: Choice): Promise<void> {
    if (choice.kind === 'delay') {
      this.trace.push(`${lateMs / 1_000} s pass`);
      this.#now += lateMs;
      this.#delays++;
    } else if (choice.kind === 'sweep') {
      this.trace.push('a minute passes, and the sweep comes round');
      this.#now += minuteMs;
      this.#swept = true;
      await this.#start('sweep', 'sweep', (world) => this.#parts.sweep(world));
    } else {
      const actor = this.#actors[choice.actor];
      if (!actor?.pending) throw new Error('an actor that waits for nothing');
      if (choice.kind === 'crash') return this.#crash(actor);
      this.trace.push(`${actor.name} ${actor.pending.what}`);
      actor.parked = Promise.withResolvers();
      actor.pending.run();
      await actor.parked.promise;
    }
  }

  /** Whatever it had in hand: its ring comes to another, the lock of its message stays until it ends. A dispatcher is started anew. */
  async #crash(actor: Actor): Promise<void> {
    this.trace.push(`${actor.name} crashes before it ${actor.pending?.what}`);
    this.#crashes++;
    this.#actors.splice(this.#actors.indexOf(actor), 1);
    if (actor.kind === 'sender') return;
    if (actor.rung) this.#rings.unshift({ ...actor.rung, again: true });
    await this.#startDispatcher(`dispatcher ${this.#crashes + 1}`);
  }

  #startDispatcher(name: string): Promise<void> {
    return this.#start(name, 'dispatcher', async (world, actor) => {
      for (;;) {
        const rung = await this.#take(actor);
        await this.#parts.turn(world, rung.call, rung.again);
        await world.step('completes the ring', () => {
          actor.rung = undefined;
        });
      }
    });
  }

  async #start(name: string, kind: Actor['kind'], work: (world: World, actor: Actor) => Promise<void>): Promise<void> {
    const actor: Actor = { name, kind, history: [], pending: undefined, parked: Promise.withResolvers(), rung: undefined, over: false };
    this.#actors.push(actor);
    work(this.#worldOf(actor), actor).then(
      () => {
        actor.over = true;
        actor.pending = undefined;
        actor.history = [];
        actor.parked.resolve();
      },
      (error: unknown) => actor.parked.reject(error),
    );
    await actor.parked.promise;
  }

  #step<T>(actor: Actor, what: string, work: () => T, enabled = () => true): Promise<T> {
    return new Promise((resolve) => {
      actor.pending = {
        what,
        enabled,
        run: () => {
          const result = work();
          actor.history.push(JSON.stringify(result) ?? '');
          actor.pending = undefined;
          resolve(result);
        },
      };
      actor.parked.resolve();
    });
  }

  async #take(actor: Actor): Promise<Rung> {
    const visible = () => this.#rings.find(({ at }) => at <= this.#now);
    const enabled = () => visible() !== undefined;
    // A dispatcher that waits for a ring knows nothing of the ones before.
    actor.history = [];
    const rung = await this.#step(
      actor,
      'takes a ring',
      () => {
        const first = visible();
        if (!first) throw new Error('no ring');
        this.#rings = this.#rings.filter((each) => each !== first);
        actor.rung = first;
        return first;
      },
      enabled,
    );
    return rung;
  }

  #worldOf(actor: Actor): World {
    const step = <T>(what: string, work: () => T) => this.#step(actor, what, work);
    const documents = this.#documents;
    const idOf = (type: string, name: string) => `${type}:${name}`;
    // What is stored is its own tag: a document that is as it was read may be changed.
    const isUnchanged = (id: string, { etag }: Stored<unknown>) => JSON.stringify(documents.get(id)) === etag;
    const store = (id: string, body: unknown): string => {
      documents.set(id, body);
      return JSON.stringify(body);
    };
    return {
      step,
      // A change on what is recalled comes to what one on what was read just before comes to, or fails as one on what was read long before: both are in here.
      recall: () => undefined,
      read: (kind, name) =>
        step(`reads ${kind.type}`, () => {
          const body = documents.get(idOf(kind.type, name));
          // What is stored under a kind was written under it.
          return body === undefined ? undefined : { name, body: body as never, etag: JSON.stringify(body) };
        }),
      create: (kind, name, body) =>
        step(`creates ${kind.type}`, () => (documents.has(idOf(kind.type, name)) ? undefined : store(idOf(kind.type, name), body))),
      replace: (kind, stored, body) =>
        step(`replaces ${kind.type}`, () => {
          const id = idOf(kind.type, stored.name);
          return isUnchanged(id, stored) ? store(id, body) : undefined;
        }),
      removeUnchanged: (kind, stored) =>
        step(`removes ${kind.type}`, () => {
          const id = idOf(kind.type, stored.name);
          return isUnchanged(id, stored) && documents.delete(id);
        }),
      ring: (call, at = 0) =>
        step('rings', () => {
          this.#rings.push({ call, at, again: false });
        }),
      // An actor may remember these for long.
      now: () => {
        actor.history.push(String(this.#now));
        return this.#now;
      },
      newId: () => {
        const id = `#${++this.#ids}`;
        actor.history.push(id);
        return id;
      },
      put: (id) =>
        step(`puts message ${id}`, () => {
          this.#messages.push({ id, lockedUntil: 0 });
        }),
      receive: () =>
        step('receives', () => {
          const message = this.#messages.find(({ lockedUntil }) => lockedUntil <= this.#now);
          if (message) message.lockedUntil = this.#now + minuteMs;
          return message?.id;
        }),
      complete: (id) =>
        step(`completes message ${id}`, () => {
          this.#messages = this.#messages.filter((message) => message.id !== id);
        }),
      isEmpty: () => step('peeks', () => this.#messages.length === 0),
    };
  }
}

/** Runs everything that can happen within the bounds. Throws when that is more than `mostStates`. */
export async function explore(bounds: Bounds, parts: Parts, mostStates = 2_000_000): Promise<Found> {
  const seen = new Set<string>();
  const open: Choice[][] = [[]];
  let ends = 0;
  for (let path = open.pop(); path; path = open.pop()) {
    const run = new Run(bounds, parts);
    await run.begin();
    for (const choice of path) await run.apply(choice);
    for (;;) {
      const { key } = run;
      if (seen.has(key)) break;
      seen.add(key);
      if (seen.size > mostStates) throw new Error(`more than ${mostStates} states`);
      const [first, ...others] = run.choices;
      if (!first) {
        ends++;
        if (run.isSilent) return { states: seen.size, ends, silent: run.trace };
        break;
      }
      // Without a crash nothing may have to wait for the sweep.
      for (const other of others) open.push([...path, other]);
      path = [...path, first];
      await run.apply(first);
    }
  }
  return { states: seen.size, ends };
}

export const lane: Lane = { tenantId: 'acme' as Lane['tenantId'], queue: 'agents', lane: 0 };
