// ORDER BY: what an item is sorted by, how that compares, and whether an index serves it.
import type { Container } from '../container.ts';
import { hasCompositeIndex, isRangeIndexed, type Ordering } from '../indexing-policy.ts';
import { at, type Json } from '../json.ts';
import { badRequest } from '../refusal.ts';
import { compareScalars, type Scalar } from './scalar.ts';
import { queryNotModelled } from './tokens.ts';

/** A scalar in an array, or an empty array where the item has no such property. */
export type SortKey = Scalar[];

export interface Sorted {
  readonly keys: SortKey[];
  readonly seq: number;
}

/** @throws {Refusal} 400 with the service's words when the container has no index for it. */
export function checkIndexed(container: Container, orderBy: readonly Ordering[]): void {
  const { indexingPolicy } = container.definition;
  const [first] = orderBy;
  if (first && orderBy.length === 1 && !isRangeIndexed(indexingPolicy, first.path)) {
    throw badRequest(JSON.stringify({ Errors: ['The index path corresponding to the specified order-by item is excluded.'] }));
  }
  if (orderBy.length > 1 && !hasCompositeIndex(indexingPolicy, orderBy)) {
    throw badRequest(
      JSON.stringify({ Errors: ['The order by query does not have a corresponding composite index that it can be served from.'] }),
    );
  }
}

export function sortKeys(item: Json, orderBy: readonly Ordering[]): SortKey[] {
  return orderBy.map(({ path }) => {
    const value = at(item, path);
    if (value === undefined) return [];
    if (typeof value === 'object' && value !== null) throw queryNotModelled(`ORDER BY where '/${path.join('/')}' is an object or an array`);
    return [value];
  });
}

/** No property, null, false, true, numbers, strings; items that are equal in it stay in the order of their creation. */
export function comparator(orderBy: readonly Ordering[]): (a: Sorted, b: Sorted) => number {
  return (a, b) => {
    for (const [i, { descending }] of orderBy.entries()) {
      const [left] = a.keys[i] ?? [];
      const [right] = b.keys[i] ?? [];
      const order = compareScalars(left, right);
      if (order !== 0) return descending ? -order : order;
    }
    return a.seq - b.seq;
  };
}
