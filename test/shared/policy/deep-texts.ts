// Texts as deep as they can be made. Run as a program: every shape, grown as far as the bounds allow, through everything the product does with a
// policy, and the engine is still sound.
import { faultOfDepth, maxPolicyBytes } from '../../../shared/policy/bounds.ts';
import { loadCedar } from '../../../shared/policy/cedar.ts';
import { checkPolicy } from '../../../shared/policy/check.ts';
import { evaluate } from '../../../shared/policy/evaluate.ts';
import { nearPermits } from '../../../shared/policy/near-permits.ts';
import { ParsedSets } from '../../../shared/policy/parsed-sets.ts';
import { PolicySet } from '../../../shared/policy/policy-set.ts';
import { readStatements } from '../../../shared/policy/statements.ts';

const policy = (condition: string) => `permit(principal, action, resource == Tool::"a.b") when { ${condition} };`;
const nested = (open: string, inner: string, close: string, n: number) => open.repeat(n) + inner + close.repeat(n);

/** Every way found to make the engine's recursion deep, `n` times over. */
export function deepTexts(n: number): Record<string, string> {
  return {
    conjunction: policy(Array(n).fill('true').join('&&')),
    disjunction: policy(Array(n).fill('false').join('||')),
    sum: policy(`${Array(n).fill('1').join('+')} == 1`),
    product: policy(`${Array(n).fill('1').join('*')} == 1`),
    unopened: policy(`${')'.repeat(n)}${'('.repeat(n)}`),
    unfinished: `permit(principal, action, resource) when { true }; when { context${'.a'.repeat(n)} }; permit(principal, action, resource);`,
    brackets: policy(nested('(', 'true', ')', n)),
    nots: policy(nested('!!!!(', 'true', ')', n)),
    minuses: policy(`${nested('----(', '1', ')', n)} == 1`),
    sets: policy(`${nested('[', '', ']', n)} == [1]`),
    records: policy(`${nested('{a:', '1', '}', n)} == 1`),
    choices: policy(nested('if true then ', 'true', ' else false', n)),
    alternatives: policy(nested('if false then false else ', 'true', '', n)),
    attributes: policy(`context${'.a'.repeat(n)}`),
    indices: policy(`context${'["a"]'.repeat(n)}`),
    applications: policy(`context${'(1)'.repeat(n)}`),
    lists: policy(`[${Array(n).fill('[1]').join(',')}].contains([1])`),
    calls: policy(nested('[1].contains(', '1', ')', n)),
    comments: policy(nested('(//"\r', 'true', ')', n)),
    strings: policy(nested('("\\"" == "', 'true', '")', n)),
    namespaces: policy(`resource == ${'A::'.repeat(n)}Tool::"x"`),
    everything: policy(nested('!!(true && 1 + 1 == 2 && (if true then context.a.a else ', 'true', '))', n)),
  };
}

if (import.meta.main) {
  const cedar = await loadCedar();
  const parsed = new ParsedSets(cedar);
  for (const shape of Object.keys(deepTexts(1))) {
    let n = 1;
    const textOf = (count: number) => deepTexts(count)[shape] ?? '';
    while (n < 4_000 && !faultOfDepth(textOf(n + 1)) && textOf(n + 1).length <= maxPolicyBytes) n++;
    const text = textOf(n);
    checkPolicy(cedar, text);
    const parts = cedar.policySetTextToParts(text);
    if (parts.type === 'success') {
      const set = new PolicySet(readStatements(cedar, shape, text));
      const question = { action: 'tool:invoke', resource: { type: 'Tool', id: 'a.b' } } as const;
      const principal = { type: 'Key', id: 'k', role: undefined, groups: [] } as const;
      evaluate(cedar, parsed, shape, set, principal, question);
      nearPermits(cedar, set, principal, question);
    }
    console.log(shape, n, parts.type);
  }
  const { type } = cedar.checkParsePolicySet({ staticPolicies: 'permit(principal, action, resource);' });
  if (type === 'success') console.log('still sound');
}
