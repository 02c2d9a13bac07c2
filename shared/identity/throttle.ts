// Keys that are none cost a look-up each. A source that keeps sending them is slowed: on what costs something, and never on a right key.
import { LRUCache } from 'lru-cache';
import { now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import { nowhere, sourceOf } from './source.ts';

const windowMs = 60_000;
/** Failures of one source in a minute before it is slowed… */
const perSource = 100;
/** …and of all those together whose address is not known. */
const perNowhere = 1_000;

interface Window {
  readonly opened: number;
  failures: number;
}

export class SourceThrottle {
  /** Of many sources the busiest stay: each failure makes its source the most recent. */
  readonly #windows = new LRUCache<string, Window>({ max: 10_000 });

  failed(ip: string | undefined): void {
    const source = sourceOf(ip);
    const window = this.#open(source) ?? { opened: now(), failures: 0 };
    window.failures += 1;
    this.#windows.set(source, window);
  }

  /** The 429 while a source is slowed. */
  slowed(ip: string | undefined): Problem | undefined {
    if (this.#windows.size === 0) return undefined;
    const source = sourceOf(ip);
    const window = this.#open(source);
    if (!window || window.failures < (source === nowhere ? perNowhere : perSource)) return undefined;
    const seconds = Math.max(1, Math.ceil((window.opened + windowMs - now()) / 1_000));
    return new Problem('rate_limited', {
      detail: 'Too many credentials from your address were not valid.',
      headers: { 'Retry-After': String(seconds) },
    });
  }

  #open(source: string): Window | undefined {
    const window = this.#windows.get(source);
    return window && now() - window.opened < windowMs ? window : undefined;
  }
}
