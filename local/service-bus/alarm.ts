// One timer for many times: it goes off at the earliest.

const LONGEST_TIMER = 0x7fff_ffff;

/** Calls `ring` once the earliest of the times it was set to has come, or a little before; then it is to be set again. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #time = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** `time` is in ms since 1970; null and Infinity are never. */
  at(time: number | null): void {
    if (time === null || time >= this.#time || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#time = time;
    const ring = () => {
      this.#time = Number.POSITIVE_INFINITY;
      this.#ring();
    };
    this.#timer = setTimeout(ring, Math.min(Math.max(0, time - Date.now()), LONGEST_TIMER));
  }

  /** Never again. */
  off(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
