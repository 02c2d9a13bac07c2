// The audit trail: a tenant's events, newest first, over all lanes.
import { iso } from '../clock/clock.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { LedgerArchive } from './archive.ts';
import { type Event, Segment } from './event.ts';
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
/** And through no more than this many archived days. */
const archivedDays = 10;
/** Of what it found in them it keeps this much before it forgets what is not among the newest. */
const foundLimit = 10_000;

interface Sources {
  readonly ledger: Ledger;
  readonly archive: LedgerArchive;
}

/** One page. `next` is where the following page begins; absent when there is none. */
export async function listEvents(
  { ledger, archive }: Sources,
  scope: TenantScope,
  filter: AuditFilter,
  page: { limit: number; after?: Place },
): Promise<{ items: Event[]; next?: Place }> {
  const found = new Map<string, Event>();
  const take = ({ events }: Segment): void => {
    for (const event of events) {
      if (matches(event, filter) && (!page.after || isBehind(event, page.after))) found.set(event.id, event);
    }
  };
  /** What is found and lies behind `horizon`, up to where nothing older can come between any more; undefined while the page is not full. */
  const fullPage = (horizon: string, last: boolean): { items: Event[]; next?: Place } | undefined => {
    const final = [...found.values()].filter((event) => event.at > horizon).sort(newestFirst);
    const items = final.slice(0, page.limit);
    const end = items.at(-1);
    if (final.length > page.limit && end) return { items, next: { at: end.at, id: end.id } };
    return last ? { items, next: { at: horizon, id: '\uffff' } } : undefined;
  };

  const from = filter.from ?? '';
  const before = filter.to ?? '9999';
  let horizon = page.after ? iso(Date.parse(page.after.at) + overlapMs) : '9999';
  const newestDay = horizon.slice(0, 10);
  for (let round = 1, complete = false; !complete; round++) {
    const { stored, fresh } = await ledger.read(scope, { from, before, endingBy: horizon }, segmentsARound);
    if (round === 1) fresh.forEach(take);
    stored.forEach(take);
    const oldest = stored.at(-1);
    complete = stored.length < segmentsARound || !oldest;
    // What is not fetched yet ends at the oldest end or before it: events behind that are not final.
    if (!complete && oldest) horizon = oldest.to;
    const result = complete ? undefined : fullPage(horizon, round === rounds);
    if (result) return result;
  }

  // Older segments are in the archive, by the day they end on.
  const days = (await archive.days(scope))
    .filter((day) => day >= from.slice(0, 10) && day <= newestDay && day <= dayAfter(before))
    .reverse();
  for (const [at, day] of days.entries()) {
    const result = fullPage(endOf(day), at === archivedDays);
    if (result) return result;
    for await (const { segment } of archive.read(scope, day)) {
      const sound = Segment.safeParse(segment).data;
      if (sound && sound.to >= from && sound.from < before) take(sound);
      if (found.size > foundLimit) keepNewest(found, page.limit + 1);
    }
  }
  const items = [...found.values()].sort(newestFirst);
  const end = items[page.limit - 1];
  return items.length > page.limit && end ? { items: items.slice(0, page.limit), next: { at: end.at, id: end.id } } : { items };
}

/** Whatever is not among the newest comes with a later page. */
function keepNewest(found: Map<string, Event>, count: number): void {
  const newest = [...found.values()].sort(newestFirst).slice(0, count);
  found.clear();
  for (const event of newest) found.set(event.id, event);
}

/** The last instant of a day: what is archived under it, or under a day before, happened no later. */
function endOf(day: string): string {
  return `${day}T23:59:59.999Z`;
}

/** A segment may end on the day after its events. */
function dayAfter(instant: string): string {
  const ms = Date.parse(instant);
  return Number.isNaN(ms) ? instant : iso(ms + overlapMs).slice(0, 10);
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
