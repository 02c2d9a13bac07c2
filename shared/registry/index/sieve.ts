// Which places hold under every criterion of a search, and how well: a round a criterion, in which whatever has come through all before may come through.

export class Sieve {
  // Kept from search to search: tens of kilobytes a search would be work for the collector.
  #passed = new Uint16Array(0);
  #scores = new Uint16Array(0);
  #rounds = 0;

  /** A new search, over so many places. */
  begin(places: number): void {
    if (this.#passed.length < places) {
      this.#passed = new Uint16Array(places * 2);
      this.#scores = new Uint16Array(places * 2);
    }
    this.#passed.fill(0, 0, places);
    this.#scores.fill(0, 0, places);
    this.#rounds = 0;
  }

  /** A place that is taken twice in a round counts as it was taken first. */
  round(fill: (take: (places: readonly number[], worth: number) => void) => void): void {
    const [passed, scores, round] = [this.#passed, this.#scores, this.#rounds];
    fill((places, worth) => {
      for (const place of places) {
        if (passed[place] !== round) continue;
        passed[place] = round + 1;
        scores[place] = (scores[place] ?? 0) + worth;
      }
    });
    this.#rounds += 1;
  }

  holds(place: number): boolean {
    return this.#passed[place] === this.#rounds;
  }

  score(place: number): number {
    return this.#scores[place] ?? 0;
  }
}
