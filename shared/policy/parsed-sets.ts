// Policy sets the engine has parsed. It keeps a set under an id for ever, so ids come from here, are bounded, and are used again: what a set leaves
// behind when it is pushed out is an empty one.
import { LRUCache } from 'lru-cache';
import type { Cedar } from './cedar.ts';
import type { Statement } from './statements.ts';

/** Characters of policy text that stay parsed, over all tenants; the engine takes about 25 bytes for each. */
const maxParsed = 4 * 1_048_576;

interface Parsed {
  readonly id: string;
  readonly statements: readonly Statement[];
}

export class ParsedSets {
  readonly #cedar: Cedar;
  readonly #free: string[] = [];
  #made = 0;
  readonly #kept: LRUCache<string, Parsed>;

  constructor(cedar: Cedar, maxCharacters = maxParsed) {
    this.#cedar = cedar;
    this.#kept = new LRUCache({
      maxSize: maxCharacters,
      sizeCalculation: ({ statements }) => statements.reduce((sum, { text }) => sum + text.length, 256),
      dispose: ({ id }, _, reason) => {
        if (reason !== 'evict') return;
        this.#parse(id, []);
        this.#free.push(id);
      },
    });
  }

  /** Ids made so far: the most sets that the engine can hold. */
  get made(): number {
    return this.#made;
  }

  /** The engine's id of these very statements, parsed now unless they are still. It holds until this is called again. */
  idOf(owner: string, statements: readonly Statement[]): string {
    const kept = this.#kept.get(owner);
    if (kept?.statements === statements) return kept.id;
    const id = kept?.id ?? this.#free.pop() ?? `set-${this.#made++}`;
    this.#parse(id, statements);
    this.#kept.set(owner, { id, statements });
    return id;
  }

  #parse(id: string, statements: readonly Statement[]): void {
    const staticPolicies = Object.fromEntries(statements.map((each) => [each.id, each.text]));
    const { type } = this.#cedar.preparsePolicySet(id, { staticPolicies });
    if (type === 'failure') throw new Error('a stored policy does not parse');
  }
}
