// Markers: while a lane's marker is there, a ring for it is on its way, so that many messages need one. Ordering, and why no message stays unseen:
// docs/decisions/017; the model test holds it.
import * as z from 'zod';
import { iso } from '../../clock/clock.ts';
import { DependencyError } from '../../errors/problem.ts';
import type { PlatformKind } from '../../storage/platform-documents.ts';
import { type Lane, laneName, type Ring } from './call.ts';
import type { Ground } from './ground.ts';

const Marker = z.strictObject({ token: z.string(), rungAt: z.iso.datetime() });
export const Markers: PlatformKind<z.infer<typeof Marker>> = { type: 'dispatch-marker', schema: Marker };

/** A ring that has not been answered after this long may be lost: whoever needs it rings again (architecture 6). */
export const overdueMs = 10_000;
const tries = 20;

/**
 * Sees to it that a ring is on its way that is answered after this call began: to be called when the message is on its queue. A marker that is overdue is dated
 * anew and keeps its token, so that of two rings the first counts and the second does not.
 */
export async function announce(ground: Ground, lane: Lane): Promise<void> {
  const name = laneName(lane);
  const fresh = { token: ground.newId(), rungAt: iso(ground.now()) };
  for (let count = 0; count < tries; count++) {
    const made = await ground.create(Markers, name, fresh);
    if (made !== undefined) return ground.ring({ kind: 'ring', ...placeOf(lane), token: fresh.token, tag: made });
    const present = await ground.read(Markers, name);
    if (!present) continue;
    const { token, rungAt } = present.body;
    if (ground.now() - Date.parse(rungAt) < overdueMs) return;
    const dated = await ground.replace(Markers, present, { token, rungAt: iso(ground.now()) });
    if (dated !== undefined) return ground.ring({ kind: 'ring', ...placeOf(lane), token, tag: dated });
  }
  throw new DependencyError('cosmos', 'a marker changes too often');
}

/** Takes the ring's marker away: to be called before its queue is looked at. False when the ring does not count: another one has been or will be answered. */
export async function answer(ground: Ground, ring: Ring): Promise<boolean> {
  const { tag } = ring;
  // Almost always it is as it was when it rang; else it may have been dated anew.
  if (tag !== undefined && (await ground.removeUnchanged(Markers, { name: laneName(ring), body: undefined, etag: tag }))) return true;
  for (let count = 0; count < tries; count++) {
    const present = await ground.read(Markers, laneName(ring));
    if (present?.body.token !== ring.token) return false;
    if (await ground.removeUnchanged(Markers, present)) return true;
  }
  throw new DependencyError('cosmos', 'a marker changes too often');
}

function placeOf({ tenantId, queue, lane }: Lane): Lane {
  return { tenantId, queue, lane };
}
