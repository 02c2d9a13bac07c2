// The audit trail: a tenant's events, newest first, over all lanes.
import { iso } from '../clock/clock.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { Event, Segment } from './event.ts';
import type { Ledger } from './ledger.ts';

export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly entity?: { readonly type: string; readonly id: string };
  /** Inclusive. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
}

/** The place of an event in the order of the list: later `at` first, then the greater id. */
export type Place = Pick<Event, 'at' | 'id'>;

const segmentsARound = 200;
/** Events of one segment are numbered within one turn of the event loop, so a segment that ends this much later holds nothing as old as its end minus it. */
const overlapMs = 60_000;
/** A list looks at no more than this many rounds of segments; what it found by then is a page, and the next goes on from there. */
const rounds = 10;

/** One page. `next` is where the following page begins; absent when there is none. */
export async function listEvents(
  ledger: Ledger,
  scope: TenantScope,
  filter: AuditFilter,
  page: { limit: number; after?: Place },
): Promise<{ items: Event[]; next?: Place }> {
  const found = new Map<string, Event>();
  const take = (segments: readonly Segment[]): void => {
    for (const event of segments.flatMap(({ events }) => events)) {
      if (matches(event, filter) && (!page.after || isBehind(event, page.after))) found.set(event.id, event);
    }
  };

  let horizon = page.after ? iso(Date.parse(page.after.at) + overlapMs) : '9999';
  const from = filter.from ?? '';
  for (let round = 1; ; round++) {
    const before = filter.to ?? '9999';
    const { stored, fresh } = await ledger.read(scope, { from, before, endingBy: horizon }, segmentsARound);
    if (round === 1) take(fresh);
    take(stored);
    const oldest = stored.at(-1);
    const complete = stored.length < segmentsARound || !oldest;
    // What is not fetched yet ends at the oldest end or before it: events behind that are not final.
    horizon = complete ? '' : oldest.to;
    const final = [...found.values()].filter((event) => event.at > horizon).sort(newestFirst);
    if (complete || final.length > page.limit || round === rounds) {
      const items = final.slice(0, page.limit);
      const last = items.at(-1);
      if (final.length > page.limit && last) return { items, next: { at: last.at, id: last.id } };
      return complete ? { items } : { items, next: { at: horizon, id: '\uffff' } };
    }
  }
}

function newestFirst(a: Place, b: Place): number {
  if (a.at !== b.at) return a.at < b.at ? 1 : -1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
}

function isBehind(event: Place, place: Place): boolean {
  return newestFirst(place, event) < 0;
}

function matches(event: Event, { actor, action, entity, from, to }: AuditFilter): boolean {
  return (
    (actor === undefined || event.actor.id === actor) &&
    (action === undefined || event.action === action) &&
    (entity === undefined || (event.entity.type === entity.type && event.entity.id === entity.id)) &&
    (from === undefined || event.at >= from) &&
    (to === undefined || event.at < to)
  );
}
