// Time, ids and chance come from here and nowhere else, so that a test can hold them still.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds since the epoch. */
export function now(): number {
  return Date.now();
}

let lastIso: readonly [ms: number, text: string] = [0, new Date(0).toISOString()];

/** An instant as the ISO 8601 UTC string with milliseconds that everything we store and answer uses. */
export function iso(ms: number = now()): string {
  // Many events fall on one millisecond.
  if (ms !== lastIso[0]) lastIso = [ms, new Date(ms).toISOString()];
  return lastIso[1];
}

/** The UTC day of an instant, `YYYY-MM-DD`. */
export function day(ms: number = now()): string {
  return iso(ms).slice(0, 10);
}

/** The first millisecond of the next UTC day. */
export function nextDay(ms: number = now()): number {
  return (Math.floor(ms / 86_400_000) + 1) * 86_400_000;
}

/** A unique id that nothing can be read from. */
export function newId(): string {
  return randomUUID();
}

/** `length` characters of lower-case base 32: 5 bits each. */
export function randomName(length: number): string {
  let name = '';
  for (const byte of randomBytes(length)) name += 'abcdefghijklmnopqrstuvwxyz234567'[byte & 31];
  return name;
}

/** A number in [0, 1), for jitter and choice; never for secrets. */
export function chance(): number {
  return Math.random();
}

/** Resolves after `ms`; a pending wait does not keep a stopping process alive. */
export function wait(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false });
}

let nextTurn: Promise<void> | undefined;

/**
 * Resolves when this turn of the event loop has ended, for all who asked in it at once: what many callers then do together leaves in one write
 * and is answered in one. Under load that is worth a third of the cost of a small request.
 */
export function turn(): Promise<void> {
  nextTurn ??= new Promise((resolve) => {
    setImmediate(() => {
      nextTurn = undefined;
      resolve();
    });
  });
  return nextTurn;
}
