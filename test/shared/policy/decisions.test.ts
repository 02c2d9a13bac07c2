// The laws of a decision: slicing changes nothing, "named" is what is written down, and no policy is passed over because it failed.
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Cedar, loadCedar } from '../../../shared/policy/cedar.ts';
import { evaluate, requestOf, type Verdict } from '../../../shared/policy/evaluate.ts';
import { ParsedSets } from '../../../shared/policy/parsed-sets.ts';
import { PolicySet } from '../../../shared/policy/policy-set.ts';
import { type PolicyQuestion, type Principal, toolResource } from '../../../shared/policy/question.ts';
import { readStatements } from '../../../shared/policy/statements.ts';
import { policies, principals, questions } from './random-policies.ts';

let cedar: Cedar;
let parsed: ParsedSets;
beforeAll(async () => {
  cedar = await loadCedar();
  parsed = new ParsedSets(cedar);
});

const setOf = (texts: readonly string[]) => new PolicySet(texts.flatMap((text, at) => readStatements(cedar, `p${at}`, text)));
const decide = (set: PolicySet, principal: Principal, question: PolicyQuestion) =>
  evaluate(cedar, parsed, 'acme', set, principal, question);

describe('a decision', () => {
  test('of the slice of an action is that of the whole set', () => {
    fc.assert(
      fc.property(fc.array(policies, { maxLength: 8 }), principals, questions, (written, principal, question) => {
        const set = setOf(written.map(({ text }) => text));
        const staticPolicies = (statements: PolicySet['statements']) => Object.fromEntries(statements.map(({ id, text }) => [id, text]));
        const ask = (statements: PolicySet['statements']) => {
          const answer = cedar.isAuthorized({
            ...requestOf(principal, question),
            policies: { staticPolicies: staticPolicies(statements) },
          });
          if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
          const { decision, diagnostics } = answer.response;
          return [decision, diagnostics.reason.toSorted(), diagnostics.errors.map(({ policyId }) => policyId).sort()];
        };
        expect(ask(set.slice(question.action))).toEqual(ask(set.statements));
      }),
      { numRuns: 300 },
    );
  });

  test('follows from what Cedar says of the whole set, what is named and what failed', () => {
    fc.assert(
      fc.property(fc.array(policies, { maxLength: 6 }), principals, questions, (written, principal, question) => {
        const texts = Object.fromEntries(written.map(({ text }, at) => [`p${at}#0`, text]));
        const answer = cedar.isAuthorized({ ...requestOf(principal, question), policies: { staticPolicies: texts } });
        if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
        const { decision, diagnostics } = answer.response;
        const { type, id } = question.resource;
        const own = type === 'Tool' ? [`Tool::${id}`, `Integration::${id.split('.')[0]}`] : [`${type}::${id}`];
        const isNamed = written.some(({ names }) => names.some((name) => own.includes(name)));
        const forbidFailed = diagnostics.errors.some(({ policyId }) => texts[policyId]?.includes('forbid('));
        const expected = ((): Verdict['because'] => {
          if (decision === 'deny' && diagnostics.reason.length > 0) return 'forbidden';
          if (forbidFailed) return 'failed';
          if (decision === 'allow') return 'permitted';
          return isNamed ? 'unpermitted' : 'scopes';
        })();
        const verdict = decide(setOf(written.map(({ text }) => text)), principal, question);
        expect(verdict.because).toBe(expected);
        expect(verdict.decision).toBe(['permitted', 'scopes'].includes(expected) ? 'allow' : 'deny');
      }),
      { numRuns: 500 },
    );
  });

  test('takes for named what is written down as a literal, wherever, and nothing else', () => {
    fc.assert(
      fc.property(policies, ({ text, names }) => {
        expect(readStatements(cedar, 'p', text).map((statement) => statement.names.toSorted())).toEqual([names]);
      }),
    );
  });
});

describe('a tool', () => {
  const agent: Principal = { type: 'Agent', id: 'a1', role: 'agent', groups: [] };
  const ask = (texts: readonly string[], toolId: string, by = agent) =>
    decide(setOf(texts), by, { action: 'tool:invoke', resource: toolResource(toolId) }).because;
  const invoke = 'action == Action::"tool:invoke"';

  test.for<[string, string[], Record<string, Verdict['because']>]>([
    ['without policies', [], { 'notion.search': 'scopes' }],
    [
      'named by a permit is for whom it permits',
      [`permit(principal == Agent::"a1", ${invoke}, resource == Tool::"notion.search");`],
      { 'notion.search': 'permitted', 'notion.createPage': 'scopes' },
    ],
    [
      'named by a permit for another is for nobody else',
      [`permit(principal == Agent::"a2", ${invoke}, resource == Tool::"notion.search");`],
      { 'notion.search': 'unpermitted', 'notion.createPage': 'scopes' },
    ],
    [
      'of a named integration is named',
      [`permit(principal == Agent::"a2", action == Action::"integration:connect", resource == Integration::"notion");`],
      { 'notion.search': 'unpermitted', 'slack.post': 'scopes', 'notionx.search': 'scopes' },
    ],
    [
      'forbidden by a policy that names nothing',
      [`forbid(principal in Role::"agent", ${invoke}, resource);`],
      { 'slack.post': 'forbidden' },
    ],
    [
      'permitted and forbidden is forbidden',
      [`permit(principal, ${invoke}, resource);`, `forbid(principal, ${invoke}, resource in Integration::"slack");`],
      { 'slack.post': 'forbidden', 'notion.search': 'permitted' },
    ],
    [
      'is denied when what may forbid it cannot be evaluated',
      [`permit(principal, action, resource);`, `forbid(principal, action, resource) when { context.ip.isLoopback() };`],
      { 'notion.search': 'failed' },
    ],
    [
      'is not permitted by what cannot be evaluated',
      [`permit(principal, action, resource == Tool::"notion.search") when { context.ip.isLoopback() };`],
      { 'notion.search': 'unpermitted' },
    ],
  ])('%s', ([, texts, expected]) => {
    for (const [toolId, because] of Object.entries(expected)) expect([toolId, ask(texts, toolId)]).toEqual([toolId, because]);
  });
});

describe('parsed sets', () => {
  test('answer for the tenant they are of, however many there are', () => {
    const small = new ParsedSets(cedar, 4_096);
    const sets = Array.from({ length: 40 }, (_, at) => setOf([`permit(principal, action, resource == Tool::"t.t${at}");`]));
    for (let round = 0; round < 3; round++) {
      for (const [at, set] of sets.entries()) {
        const verdict = (toolId: string) =>
          evaluate(
            cedar,
            small,
            `tenant-${at}`,
            set,
            { type: 'Key', id: 'k', role: undefined, groups: [] },
            {
              action: 'tool:invoke',
              resource: toolResource(toolId),
            },
          ).because;
        expect(verdict(`t.t${at}`)).toBe('permitted');
        expect(verdict(`t.t${at + 1}`)).toBe('scopes');
      }
    }
    expect(small.made).toBeLessThan(20);
  });
});
