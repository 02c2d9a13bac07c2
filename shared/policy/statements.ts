// A policy text as its statements: what each is about, read from the structure Cedar gives, never from the text.
import type { Cedar } from './cedar.ts';
import type { EntityName } from './question.ts';

export interface Statement {
  /** Unique in the tenant: what the engine answers with. */
  readonly id: string;
  /** The name of the policy it stands in. */
  readonly policy: string;
  readonly text: string;
  readonly effect: 'permit' | 'forbid';
  /** The actions its scope can match; undefined: all. */
  readonly actions: ReadonlySet<string> | undefined;
  /** The tools and integrations that stand in it, as `Tool::notion.search`. */
  readonly names: readonly string[];
}

/** The statements of a text that has been checked. Throws on one that has not. */
export function readStatements(cedar: Cedar, policy: string, text: string): Statement[] {
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === 'failure') throw new Error('a stored policy does not parse');
  return parts.policies.map((part, at) => {
    const read = cedar.policyToJson(part);
    if (read.type === 'failure') throw new Error('a stored policy has no JSON form');
    const { annotations: _, ...json } = read.json;
    return {
      id: `${policy}#${at}`,
      policy,
      text: part,
      effect: json.effect,
      actions: actionsOf(json.action),
      names: [...new Set(entitiesIn(json).filter(canBeNamed).map(nameOf))],
    };
  });
}

/** How a tool or integration is written down as named. */
export function nameOf({ type, id }: EntityName): string {
  return `${type}::${id}`;
}

/** Only tools and integrations are denied for being named (api.md, Cedar). */
export function canBeNamed({ type }: EntityName): boolean {
  return type === 'Tool' || type === 'Integration';
}

type ActionConstraint = { readonly op: 'All' | '==' | 'in'; readonly entity?: unknown; readonly entities?: readonly unknown[] };

function actionsOf({ op, entity, entities }: ActionConstraint): ReadonlySet<string> | undefined {
  if (op === 'All') return undefined;
  return new Set(entitiesIn(entities ?? entity).map(({ id }) => id));
}

/** Every entity literal in a part of a policy: scope, conditions, sets and records alike. */
function entitiesIn(part: unknown): EntityName[] {
  if (typeof part !== 'object' || part === null) return [];
  if ('type' in part && 'id' in part && typeof part.type === 'string' && typeof part.id === 'string')
    return [{ type: part.type, id: part.id }];
  return Object.values(part).flatMap(entitiesIn);
}
