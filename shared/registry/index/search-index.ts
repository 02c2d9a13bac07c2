// The agents of one tenant in memory, and the search over them. It knows nothing of stores and clocks.
import type { AgentId } from '../../scope/ids.ts';
import type { KeptAgent } from '../kept-agent.ts';
import { anchorOf, compileGlob } from './glob.ts';
import { Sieve } from './sieve.ts';
import { Terms } from './terms.ts';
import { wordsOf } from './words.ts';

/** All that are given must hold. */
export interface Criteria {
  /** The id of a skill, or a tag of one, as it is written. */
  readonly skill?: string | undefined;
  readonly tag?: string | undefined;
  /** A flag of the card's capabilities that is true. */
  readonly capability?: string | undefined;
  /** A glob on the id, the name, or the id or name of a skill. */
  readonly pattern?: string | undefined;
  /** Words of name, description, skills and tags; each must be found in one of them, whole or in part. */
  readonly q?: string | undefined;
}

/** Behind which agent a page begins: those found rank by score, those of one score by id. */
export type Position = readonly [score: number, agentId: string];

export interface Page {
  readonly limit: number;
  readonly after?: Position | undefined;
}

export interface Found {
  readonly items: readonly KeptAgent[];
  readonly next?: Position;
  readonly total: number;
}

/** What a word is worth where it is found: in part so much, whole one more. */
const worths = { name: 8, skills: 6, tags: 4, description: 2 } as const;
type Field = keyof typeof worths;
// `Object.keys` forgets the names it was given.
const fields = Object.keys(worths) as readonly Field[];

const noAgents: Found = { items: [], total: 0 };
/** Of places no longer in use, before the index is worn. */
const wearAtLeast = 256;

export class SearchIndex {
  readonly #agents: (KeptAgent | undefined)[] = [];
  readonly #places = new Map<AgentId, number>();
  /** Places in use, by agent id. */
  readonly #order: number[] = [];
  readonly #skills = new Terms();
  readonly #tags = new Terms();
  readonly #capabilities = new Terms();
  readonly #names = { id: new Terms(), name: new Terms(), skills: new Terms() };
  readonly #words: Readonly<Record<Field, Terms>> = {
    name: new Terms(),
    skills: new Terms(),
    tags: new Terms(),
    description: new Terms(),
  };
  readonly #sieve = new Sieve();
  #bytes = 0;

  get size(): number {
    return this.#order.length;
  }

  /** What it takes in memory, roughly. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So much of it is out of use that a new one should be built. */
  get isWorn(): boolean {
    return this.#agents.length - this.#order.length > Math.max(wearAtLeast, this.#order.length);
  }

  get(agentId: AgentId): KeptAgent | undefined {
    const place = this.#places.get(agentId);
    return place === undefined ? undefined : this.#agents[place];
  }

  /** By id. */
  *all(): Generator<KeptAgent> {
    for (const place of this.#order) {
      const agent = this.#agents[place];
      if (agent) yield agent;
    }
  }

  put(agent: KeptAgent): void {
    const known = this.#places.get(agent.agentId);
    if (known !== undefined && this.#agents[known]?.text === agent.text) {
      this.#agents[known] = agent;
      return;
    }
    const place = this.#agents.length;
    this.#agents.push(agent);
    this.#places.set(agent.agentId, place);
    this.#index(agent, place);
    const at = this.#orderOf(agent.agentId);
    if (known === undefined) this.#order.splice(at, 0, place);
    else this.#order[at] = place;
    if (known !== undefined) this.#agents[known] = undefined;
    // What was indexed of the former stays until a new index is built.
    this.#bytes += agent.bytes;
  }

  remove(agentId: AgentId): void {
    const known = this.#places.get(agentId);
    if (known === undefined) return;
    this.#order.splice(this.#orderOf(agentId), 1);
    this.#places.delete(agentId);
    this.#agents[known] = undefined;
  }

  /** A page of the agents that the criteria hold for and that `isShown` lets pass, best first; the same whatever came in in which order. */
  search(criteria: Criteria, isShown: (agent: KeptAgent) => boolean, { limit, after }: Page): Found {
    const sieve = this.#sift(criteria);
    if (!sieve) return noAgents;
    const ranks = new Map<number, KeptAgent[]>();
    let total = 0;
    for (const place of this.#order) {
      if (!sieve.holds(place)) continue;
      const agent = this.#agents[place];
      if (!agent || !isShown(agent)) continue;
      total += 1;
      const score = sieve.score(place);
      if (after && (score > after[0] || (score === after[0] && agent.agentId <= after[1]))) continue;
      const rank = ranks.get(score);
      if (rank) rank.push(agent);
      else ranks.set(score, [agent]);
    }
    const scores = [...ranks.keys()].sort((a, b) => b - a);
    const items: KeptAgent[] = [];
    for (const score of scores) {
      const rank = ranks.get(score) ?? [];
      const taken = rank.slice(0, limit - items.length);
      items.push(...taken);
      const last = items.at(-1);
      const isMore = taken.length < rank.length || score !== scores.at(-1);
      if (items.length === limit) return { items, total, ...(last && isMore && { next: [score, last.agentId] as const }) };
    }
    return { items, total };
  }

  /** Undefined when a text is asked for in which there is no word: nothing holds it. */
  #sift({ skill, tag, capability, pattern, q }: Criteria): Sieve | undefined {
    const sieve = this.#sieve;
    sieve.begin(this.#agents.length);
    const exact = [[this.#skills, skill] as const, [this.#tags, tag] as const, [this.#capabilities, capability] as const];
    for (const [terms, term] of exact) if (term !== undefined) sieve.round((take) => take(terms.of(term), 0));
    // What everything matches sifts nothing.
    if (pattern !== undefined && /[^*]/.test(pattern)) {
      const [isMatch, anchor] = [compileGlob(pattern), anchorOf(pattern)];
      sieve.round((take) => {
        this.#names.id.matching(isMatch, anchor, (places) => take(places, worths.name));
        this.#names.name.matching(isMatch, anchor, (places) => take(places, worths.skills));
        this.#names.skills.matching(isMatch, anchor, (places) => take(places, worths.tags));
      });
    }
    if (q === undefined) return sieve;
    const words = new Set(wordsOf(q));
    for (const word of words)
      sieve.round((take) => {
        for (const field of fields) {
          take(this.#words[field].of(word), worths[field] + 1);
          this.#words[field].containing(word, (places) => take(places, worths[field]));
        }
      });
    return words.size > 0 ? sieve : undefined;
  }

  #index(agent: KeptAgent, place: number): void {
    const { name, description, skills, capabilities } = agent.facts();
    for (const { id, tags } of skills) {
      this.#skills.add(id, place);
      for (const tag of tags) this.#tags.add(tag, place);
    }
    for (const capability of capabilities) this.#capabilities.add(capability, place);
    this.#names.id.add(agent.agentId, place);
    this.#names.name.add(name.toLowerCase(), place);
    for (const skill of skills) for (const text of [skill.id, skill.name]) this.#names.skills.add(text.toLowerCase(), place);
    const texts: Record<Field, string[]> = {
      name: [name, agent.agentId],
      skills: skills.flatMap((skill) => [skill.id, skill.name, skill.description]),
      tags: skills.flatMap(({ tags }) => tags),
      description: [description],
    };
    for (const field of fields) for (const text of texts[field]) for (const word of wordsOf(text)) this.#words[field].add(word, place);
  }

  /** Where the id stands in the order, or would stand. */
  #orderOf(agentId: AgentId): number {
    let [from, to] = [0, this.#order.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const place = this.#order[middle];
      const there = place === undefined ? undefined : this.#agents[place];
      if (there !== undefined && there.agentId < agentId) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
