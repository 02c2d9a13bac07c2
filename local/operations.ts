// Reads what the twin was asked for so far.
import type { CountedOperations } from './operation-counts.ts';
import type { LocalJson } from './start/local-json.ts';

/** Of every service that stands for an Azure one, how many operations since the twin started; demo upstreams are none of ours. */
export async function operationsSoFar({
  faults,
}: Pick<LocalJson, 'faults'>): Promise<{ total: number; byVerb: ReadonlyMap<string, number> }> {
  const response = await fetch(new URL('/counts', faults));
  // Answered by local/fault-control.ts.
  const { counts } = (await response.json()) as CountedOperations;
  const byVerb = new Map(
    Object.entries(counts)
      .filter(([service]) => service !== 'upstream')
      .flatMap(([service, verbs]) => Object.entries(verbs).map(([verb, count]) => [`${service} ${verb}`, count] as const)),
  );
  return { total: byVerb.values().reduce((sum, count) => sum + count, 0), byVerb };
}
