// The job that checks a tenant's whole ledger as it is stored, and vouches for it when it is sound.
import { newId, now } from '../clock/clock.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { LedgerArchive } from './archive.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { Cause } from './event.ts';
import type { Job, Work } from './job.ts';
import { LineCheck } from './lines.ts';
import { walkLedger } from './walk.ts';

interface Services {
  readonly store: TenantStore;
  readonly archive: LedgerArchive;
  readonly checkpoints: Checkpoints;
}

/** How often a job notes how far it came. */
export const saveMs = 5_000;

export function verification(services: Services): Work {
  return async ({ scope, job, until, save }) => {
    const { checkpoints } = services;
    const check = new LineCheck(scope.tenantId, await checkpoints.keys(), job.check);
    let savedAt = now();
    for await (const { lines, position } of walkLedger(services, scope, job.position)) {
      for (const line of lines) check.take(line);
      if (check.broken) break;
      if (!position || now() - savedAt < saveMs) continue;
      if (!(await save({ position, check: check.chain.state, ...countOf(check) }))) return 'unfinished';
      if (now() > until) return 'unfinished';
      savedAt = now();
    }
    const firstBroken = check.broken ?? null;
    if (firstBroken) await checkpoints.tellBroken(scope, ledgerCause(), firstBroken);
    else await checkpoints.vouch(scope, check.chain, check.checkpoints.seq);
    return { ok: firstBroken === null, firstBroken, ...countOf(check) };
  };
}

function countOf({ chain }: LineCheck): Pick<Job, 'lanes' | 'events'> {
  return { lanes: chain.lanes, events: chain.events };
}

/** For what a job finds or makes by itself. */
export function ledgerCause(): Cause {
  return { actor: { type: 'system', id: 'ledger', method: 'internal' }, requestId: newId() };
}
