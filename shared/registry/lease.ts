// How long an agent runs: as long as the lease of its registration, or the later one that its heartbeats have won since.
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import type { DocumentKind } from '../storage/documents.ts';

/** What an agent says of itself; kept with the heartbeats that are written. */
export const Signs = z.strictObject({
  load: z.number().min(0).max(1_000_000).optional(),
  metrics: z
    .record(z.string().min(1).max(64), z.number())
    .refine((metrics) => Object.keys(metrics).length <= 32, 'at most 32 of them')
    .optional(),
});
export type Signs = z.infer<typeof Signs>;

const Heartbeat = Signs.extend({
  /** The lease that the registration gave. A heartbeat prolongs this one and no other: who registers anew begins anew. */
  of: z.iso.datetime(),
  at: z.iso.datetime(),
  leaseUntil: z.iso.datetime(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** What of an agent its lease depends on. */
interface Leased {
  readonly ttlSeconds: number;
  /** As the registration gave it. */
  readonly leaseUntil: string;
}

export const Heartbeats: DocumentKind<Heartbeat> = { container: 'work', bucket: 'heartbeats', type: 'heartbeat', schema: Heartbeat };

/** A heartbeat is kept this long past the lease it won, so that it can be told since when an agent does not run. */
const keptSeconds = 86_400;

export function heartbeatOf(agent: Leased, signs: Signs): Heartbeat {
  const at = now();
  return { ...signs, of: agent.leaseUntil, at: iso(at), leaseUntil: iso(at + agent.ttlSeconds * 1_000) };
}

export function heartbeatTtlSeconds(agent: Leased): number {
  return agent.ttlSeconds + keptSeconds;
}

/** Until when an agent runs, in milliseconds. */
export function leaseEnd(agent: Pick<Leased, 'leaseUntil'>, heartbeat: Heartbeat | undefined): number {
  const given = Date.parse(agent.leaseUntil);
  return heartbeat?.of === agent.leaseUntil ? Math.max(given, Date.parse(heartbeat.leaseUntil)) : given;
}
