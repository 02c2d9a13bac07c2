// Indexing policies, as far as they decide whether an ORDER BY is served: https://learn.microsoft.com/azure/cosmos-db/index-policy.
import * as z from 'zod';

const IndexPath = z.strictObject({ path: z.string().startsWith('/') });
const CompositePath = z.strictObject({ path: z.string().startsWith('/'), order: z.enum(['ascending', 'descending']).default('ascending') });

export const IndexingPolicy = z
  .strictObject({
    indexingMode: z.enum(['consistent', 'none']).default('consistent'),
    automatic: z.literal(true).default(true),
    includedPaths: z.array(IndexPath).default([{ path: '/*' }]),
    excludedPaths: z.array(IndexPath).default([{ path: '/"_etag"/?' }]),
    compositeIndexes: z.array(z.array(CompositePath).min(2)).optional(),
  })
  .refine(
    (policy) => policy.indexingMode === 'none' || [...policy.includedPaths, ...policy.excludedPaths].some(({ path }) => path === '/*'),
    'The special mandatory indexing path "/" is not provided in any of the path type sets. Please provide this path in one of the sets.',
  );
export type IndexingPolicy = z.infer<typeof IndexingPolicy>;

export interface Ordering {
  readonly path: readonly string[];
  readonly descending: boolean;
}

/** Whether a range index serves `ORDER BY` this path: the most precise of the included and excluded paths decides. */
export function isRangeIndexed(policy: IndexingPolicy, path: readonly string[]): boolean {
  if (policy.indexingMode === 'none') return false;
  if (path.length === 1 && (path[0] === 'id' || path[0] === '_ts')) return true;
  return precision(policy.includedPaths, path) > precision(policy.excludedPaths, path);
}

/** Whether a composite index has exactly these paths in this sequence, all in these orders or all in the opposite ones. */
export function hasCompositeIndex(policy: IndexingPolicy, orderings: readonly Ordering[]): boolean {
  return (policy.compositeIndexes ?? []).some((index) => {
    if (index.length !== orderings.length) return false;
    const turned = index.map(({ path, order }, i) => {
      const ordering = orderings[i];
      if (!ordering || segmentsOf(path).join('/') !== ordering.path.join('/')) return undefined;
      return (order === 'descending') !== ordering.descending;
    });
    return turned.every((turn) => turn === false) || turned.every((turn) => turn === true);
  });
}

function precision(paths: IndexingPolicy['includedPaths'], path: readonly string[]): number {
  let best = -1;
  for (const { path: pattern } of paths) {
    const segments = segmentsOf(pattern);
    const last = segments.pop();
    const covers = last === '*' ? segments.length <= path.length : last === '?' && segments.length === path.length;
    if (covers && segments.every((segment, i) => segment === path[i])) best = Math.max(best, 2 * segments.length + (last === '?' ? 1 : 0));
  }
  return best;
}

function segmentsOf(path: string): string[] {
  return path
    .slice(1)
    .split('/')
    .map((segment) => segment.replace(/^(["'])(.*)\1$/, '$2'));
}
