// Random policies and questions over so few names that they often meet.
import fc from 'fast-check';
import type { PolicyQuestion, Principal } from '../../../shared/policy/question.ts';
import { queueResource, toolResource } from '../../../shared/policy/question.ts';
import { type Action, actionEntry, actionNames } from '../../../shared/policy/schema.ts';

export interface RandomPolicy {
  readonly text: string;
  /** The tools and integrations written down in it. */
  readonly names: readonly string[];
}

const integrations = ['notion', 'slack'];
const tools = ['notion.search', 'notion.createPage', 'slack.post'];
const agents = ['a1', 'a2'];
const [roles, groups] = [
  ['agent', 'viewer'],
  ['eu', 'us'],
];

const part = fc.record({ text: fc.string(), names: fc.array(fc.string()) });
type Part = typeof part extends fc.Arbitrary<infer Each> ? Each : never;

const named = (type: string, ids: readonly string[]): fc.Arbitrary<Part> =>
  fc
    .constantFrom(...ids)
    .map((id) => ({ text: `${type}::"${id}"`, names: type === 'Tool' || type === 'Integration' ? [`${type}::${id}`] : [] }));
const plain = (...texts: readonly string[]): fc.Arbitrary<Part> => fc.constantFrom(...texts).map((text) => ({ text, names: [] }));
const written = (before: string, inner: fc.Arbitrary<Part>, after = ''): fc.Arbitrary<Part> =>
  inner.map(({ text, names }) => ({ text: before + text + after, names }));
const joined = (parts: readonly Part[], by: string): Part => ({
  text: parts.map(({ text }) => text).join(by),
  names: parts.flatMap(({ names }) => names),
});

const anyTool = named('Tool', tools);
const anyIntegration = named('Integration', integrations);
const principal = fc.oneof(
  plain('principal', 'principal is Agent', 'principal is Key', 'principal is User in Role::"viewer"'),
  written('principal == ', named('Agent', agents)),
  written('principal in ', fc.oneof(named('Role', roles), named('Group', groups))),
);
const action = fc.oneof(
  plain('action'),
  fc.constantFrom(...actionNames).map((name) => ({ text: `action == Action::"${name}"`, names: [] })),
  fc
    .uniqueArray(fc.constantFrom(...actionNames), { minLength: 1, maxLength: 3 })
    .map((names) => ({ text: `action in [${names.map((name) => `Action::"${name}"`).join(', ')}]`, names: [] })),
);
const resource = fc.oneof(
  plain('resource', 'resource is Tool', 'resource is Agent'),
  written('resource == ', fc.oneof(anyTool, anyIntegration, named('Agent', agents), named('Queue', ['orchestrator']))),
  written('resource in ', anyIntegration),
  written('resource is Tool in ', anyIntegration),
);
const condition = fc.oneof(
  plain('true', 'false', 'context has ip', 'context.messageType == "x"', 'context.messageType like "*y"', 'principal is Agent'),
  written('resource == ', fc.oneof(anyTool, anyIntegration)),
  written(
    'resource in [',
    fc.array(fc.oneof(anyTool, anyIntegration), { maxLength: 3 }).map((parts) => joined(parts, ', ')),
    ']',
  ),
  written('[', anyTool, '].contains(resource)'),
  written('(if principal in Role::"agent" then resource == ', anyTool, ' else true)'),
  written('resource is Tool in ', anyIntegration),
  written('!(resource == ', anyTool, ')'),
);
const clause = fc.tuple(
  fc.constantFrom('when', 'unless'),
  fc.array(condition, { minLength: 1, maxLength: 3 }),
  fc.constantFrom(' && ', ' || '),
);

/** A comment and an annotation that speak of a tool name nothing. */
const decoration = fc.constantFrom('', '// Tool::"slack.post"\n', '@type("Tool") @id("slack.post")\n');

/** Cedar that parses; not held to the schema, so that conditions fail at evaluation too. */
export const policies: fc.Arbitrary<RandomPolicy> = fc
  .tuple(decoration, fc.constantFrom('permit', 'forbid'), principal, action, resource, fc.array(clause, { maxLength: 2 }))
  .map(([before, effect, ...[who, what, where, clauses]]) => {
    const conditions = clauses.map(([kind, parts, by]) => ({ kind, ...joined(parts, by) }));
    return {
      text: `${before}${effect}(${who.text}, ${what.text}, ${where.text})${conditions.map(({ kind, text }) => ` ${kind} { ${text} }`).join('')};`,
      names: [...new Set([where, ...conditions].flatMap(({ names }) => names))].sort(),
    };
  });

export const principals: fc.Arbitrary<Principal> = fc.record({
  type: fc.constantFrom('Agent', 'User', 'Key'),
  id: fc.constantFrom(...agents),
  role: fc.option(fc.constantFrom(...roles), { nil: undefined }),
  groups: fc.subarray(groups),
});

export const questions: fc.Arbitrary<PolicyQuestion> = fc.constantFrom<Action>(...actionNames).chain((name) => {
  const resources = actionEntry(name).resources.flatMap((type) => {
    if (type === 'Tool') return [...tools, 'slack.unheardOf', 'other.tool'].map(toolResource);
    if (type === 'Queue') return [queueResource('acme-orchestrator'), queueResource('acme-a1')];
    return (type === 'Agent' ? agents : integrations).map((id) => ({ type, id }));
  });
  return fc.record({
    action: fc.constant(name),
    resource: fc.constantFrom(...resources),
    context: fc.constantFrom<Record<string, string>[]>({}, { ip: '10.0.0.1' }, { messageType: 'x' }, { messageType: 'xy', ip: '::1' }),
  });
});
