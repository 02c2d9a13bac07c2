// The index of a tenant's agents: whatever was put in and taken out, it finds what a walk over all agents finds, in the same order, page by page.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileGlob } from '../../../../shared/registry/index/glob.ts';
import { type Criteria, type Position, SearchIndex } from '../../../../shared/registry/index/search-index.ts';
import { wordsOf } from '../../../../shared/registry/index/words.ts';
import { KeptAgent } from '../../../../shared/registry/kept-agent.ts';
import { type AgentShape, agentWith } from '../agents.ts';

const words = ['Search', 'search', 'sea', 'Web', 'web-page', 'résumé', 'ＷＥＢ', 'x', 'triage_incident', ''] as const;
const word = fc.constantFrom(...words);
const shape: fc.Arbitrary<AgentShape> = fc.record({
  id: fc.constantFrom('aa', 'bb', 'web', 'web-1', 'search-agent', 'zz'),
  name: fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => `n ${parts.join(' ')}`),
  description: fc.array(word, { maxLength: 4 }).map((parts) => `d ${parts.join(' ')}`),
  skills: fc.array(fc.record({ id: word, name: word, description: word, tags: fc.array(word, { maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  streaming: fc.boolean(),
  isRunning: fc.boolean(),
});
const steps = fc.array(fc.oneof({ weight: 4, arbitrary: shape }, { weight: 1, arbitrary: fc.constantFrom('aa', 'bb', 'web') }), {
  maxLength: 30,
});
const criteria: fc.Arbitrary<Criteria> = fc.record(
  {
    skill: word,
    tag: word,
    capability: fc.constantFrom('streaming', 'pushNotifications', 'toString'),
    pattern: fc.constantFrom('*', 'web*', '*WEB*', 's?arch', '??', 'search*agent', '-'),
    q: fc.array(word, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(' ')),
  },
  { requiredKeys: [] },
);

/** Of one word in one text; undefined where it is not in it. */
function worth(wanted: string, texts: readonly string[], worthOfPart: number): number | undefined {
  const there = texts.flatMap(wordsOf);
  if (there.includes(wanted)) return worthOfPart + 1;
  return there.some((each) => (wanted.length < 3 ? each.startsWith(wanted) : each.includes(wanted))) ? worthOfPart : undefined;
}

/** Undefined where the criteria do not hold. */
function scoreOf(
  { id, name, description, skills, streaming }: AgentShape,
  { skill, tag, capability, pattern, q }: Criteria,
): number | undefined {
  if (skill !== undefined && !skills.some((each) => each.id === skill)) return undefined;
  if (tag !== undefined && !skills.some(({ tags }) => tags.includes(tag))) return undefined;
  if (capability !== undefined && !(capability === 'streaming' && streaming)) return undefined;
  let score = 0;
  if (pattern !== undefined) {
    const isMatch = (text: string) => compileGlob(pattern)(text.toLowerCase());
    if (isMatch(id)) score += 8;
    else if (isMatch(name)) score += 6;
    else if (skills.some((each) => isMatch(each.id) || isMatch(each.name))) score += 4;
    else return undefined;
  }
  if (q === undefined) return score;
  const wanted = new Set(wordsOf(q));
  for (const each of wanted) {
    const best =
      worth(each, [name, id], 8) ??
      worth(
        each,
        skills.flatMap((skill) => [skill.id, skill.name, skill.description]),
        6,
      ) ??
      worth(
        each,
        skills.flatMap(({ tags }) => tags),
        4,
      ) ??
      worth(each, [description], 2);
    if (best === undefined) return undefined;
    score += best;
  }
  return wanted.size > 0 ? score : undefined;
}

test('finds what a walk over all agents finds', () => {
  fc.assert(
    fc.property(steps, fc.array(criteria, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), (todo, asked, limit) => {
      const index = new SearchIndex();
      const model = new Map<string, AgentShape>();
      for (const step of todo) {
        if (typeof step === 'string') {
          index.remove(agentWith({ id: step }).agentId);
          model.delete(step);
        } else {
          index.put(new KeptAgent(agentWith(step)));
          model.set(step.id, step);
        }
      }
      expect(index.size).toBe(model.size);
      for (const each of asked) {
        const expected = [...model.values()]
          .flatMap((agent) => {
            const score = agent.isRunning ? scoreOf(agent, each) : undefined;
            return score === undefined ? [] : [{ id: agent.id, score }];
          })
          .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
          .map(({ id }) => id);
        const found: string[] = [];
        for (let after: Position | undefined; ; ) {
          const page = index.search(each, ({ leaseEnd }) => leaseEnd > 1, { limit, after });
          expect(page.total).toBe(expected.length);
          expect(page.items.length).toBeLessThanOrEqual(limit);
          found.push(...page.items.map(({ agentId }) => agentId));
          if (!page.next) break;
          after = page.next;
        }
        expect(found, JSON.stringify(each)).toEqual(expected);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('says when it is worn, and renewals do not wear it', () => {
  const index = new SearchIndex();
  for (let count = 0; count < 1_000; count++) index.put(new KeptAgent(agentWith({ id: 'aa', leaseUntil: new Date(count).toISOString() })));
  expect(index.isWorn).toBe(false);
  for (let count = 0; count < 1_000; count++) index.put(new KeptAgent(agentWith({ id: 'aa', name: `n${count}` })));
  expect(index.isWorn).toBe(true);
  expect(index.search({ q: 'n999' }, () => true, { limit: 5 }).total).toBe(1);
  expect(index.search({ q: 'n998' }, () => true, { limit: 5 }).total).toBe(0);
});
