// The queries the twin understands, parsed. Parameters are already their values.
import type { Ordering } from '../indexing-policy.ts';
import type { Value } from '../json.ts';

export type Path = readonly (string | number)[];
export const comparisons = ['=', '!=', '<', '<=', '>', '>='] as const;
export type Comparison = (typeof comparisons)[number];

export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  /** From the item down; an empty path is the item itself. */
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly operands: readonly Expression[] }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] }
  | { readonly kind: 'not'; readonly operand: Expression };

/** The functions the twin models, with the fewest and the most operands they take. */
export const functions = {
  STARTSWITH: [2, 3],
  ENDSWITH: [2, 3],
  CONTAINS: [2, 3],
  ARRAY_CONTAINS: [2, 3],
  IS_DEFINED: [1, 1],
  IS_NULL: [1, 1],
} as const;
export type FunctionName = keyof typeof functions;

export const aggregates = ['COUNT', 'SUM', 'AVG', 'MIN', 'MAX'] as const;
export type AggregateName = (typeof aggregates)[number];

export interface Column {
  readonly name: string;
  readonly expression: Expression;
}

export type Selection =
  | { readonly kind: 'items' }
  | { readonly kind: 'value'; readonly expression: Expression }
  | { readonly kind: 'columns'; readonly columns: readonly Column[] }
  | { readonly kind: 'aggregate'; readonly name: AggregateName; readonly operand: Expression };

export interface Query {
  readonly selection: Selection;
  readonly where: Expression | undefined;
  readonly orderBy: readonly Ordering[];
  readonly offset: number;
  readonly limit: number;
}
