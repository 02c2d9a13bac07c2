// The order of values that are neither objects nor arrays.
import type { Value } from '../json.ts';

export type Scalar = null | boolean | number | string;

const ranks: Readonly<Record<string, number>> = { undefined: 0, object: 1, boolean: 2, number: 3, string: 4 };

export function isScalar(value: Value): value is Scalar {
  return value !== undefined && (typeof value !== 'object' || value === null);
}

/** Nothing, null, false, true, numbers, strings. */
export function compareScalars(a: Scalar | undefined, b: Scalar | undefined): number {
  const difference = (ranks[typeof a] ?? 0) - (ranks[typeof b] ?? 0);
  if (difference !== 0 || a === b || a === undefined || b === undefined || a === null || b === null) return difference;
  return a < b ? -1 : 1;
}
