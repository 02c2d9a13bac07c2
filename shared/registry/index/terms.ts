// An inverted index: terms, and under each the places it occurs at. It only grows; who takes places out of use builds a new one from time to time.

/** Shorter parts are looked for at the beginning of terms alone: inside, they would be found nearly everywhere. */
const innerLength = 3;

export class Terms {
  readonly #places = new Map<string, number[]>();
  /** In the order they came in; the three run in step. */
  readonly #lists: (readonly number[])[] = [];
  readonly #starts: number[] = [];
  /** All terms, each behind a line feed, so that one search of one text finds every term that holds a part. */
  #text = '';

  add(term: string, place: number): void {
    const places = this.#places.get(term);
    if (places) {
      // What is said twice of a place comes in a row.
      if (places.at(-1) !== place) places.push(place);
      return;
    }
    const list = [place];
    this.#places.set(term, list);
    this.#lists.push(list);
    this.#starts.push(this.#text.length);
    this.#text += `\n${term}`;
  }

  /** The places of this very term. */
  of(term: string): readonly number[] {
    return this.#places.get(term) ?? [];
  }

  /** The places of every term that holds the part; a short part only where it begins a term. */
  containing(part: string, found: (places: readonly number[]) => void): void {
    this.#scan(part.length < innerLength ? `\n${part}` : part, (at) => found(this.#lists[at] ?? []));
  }

  /** The places of every wanted term. All wanted terms hold `anchor`: the longer it is, the fewer are asked. */
  matching(isWanted: (term: string) => boolean, anchor: string, found: (places: readonly number[]) => void): void {
    this.#scan(anchor, (at) => {
      if (isWanted(this.#text.slice((this.#starts[at] ?? 0) + 1, this.#starts[at + 1]))) found(this.#lists[at] ?? []);
    });
  }

  /** Each term, by its number, in whose text with the line feed before it `part` is found. */
  #scan(part: string, found: (at: number) => void): void {
    let term = 0;
    for (let at = this.#text.indexOf(part); at >= 0 && term < this.#lists.length; ) {
      while ((this.#starts[term + 1] ?? Number.POSITIVE_INFINITY) <= at) term += 1;
      found(term);
      const next = this.#starts[term + 1];
      at = next === undefined ? -1 : this.#text.indexOf(part, next);
    }
  }
}
