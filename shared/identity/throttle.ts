// What strangers can make us do costs a look-up or a write each. A source that keeps on is slowed: on what costs something, and never on a right key.
import { LRUCache } from 'lru-cache';
import { now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import { nowhere, sourceOf } from './source.ts';

const windowMs = 60_000;
/** Times a minute that one source may… */
const perSource = 100;
/** …and of all those together whose address is not known. */
const perNowhere = 1_000;

interface Window {
  readonly opened: number;
  times: number;
}

export class SourceThrottle {
  readonly #detail: string;
  /** Of many sources the busiest stay: each time makes its source the most recent. */
  readonly #windows = new LRUCache<string, Window>({ max: 10_000 });

  /** `detail` tells a slowed caller what there was too much of. */
  constructor(detail: string) {
    this.#detail = detail;
  }

  count(ip: string | undefined): void {
    const source = sourceOf(ip);
    const window = this.#open(source) ?? { opened: now(), times: 0 };
    window.times += 1;
    this.#windows.set(source, window);
  }

  /** The 429 while a source is slowed. */
  slowed(ip: string | undefined): Problem | undefined {
    if (this.#windows.size === 0) return undefined;
    const source = sourceOf(ip);
    const window = this.#open(source);
    if (!window || window.times < (source === nowhere ? perNowhere : perSource)) return undefined;
    const seconds = Math.max(1, Math.ceil((window.opened + windowMs - now()) / 1_000));
    return new Problem('rate_limited', {
      detail: this.#detail,
      headers: { 'Retry-After': String(seconds) },
    });
  }

  #open(source: string): Window | undefined {
    const window = this.#windows.get(source);
    return window && now() - window.opened < windowMs ? window : undefined;
  }
}
