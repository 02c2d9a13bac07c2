// The job that writes a tenant's whole ledger to one blob of lines, with what it takes to check it offline.
import type { Readable } from 'node:stream';
import type { Blobs } from '../blobs/blobs.ts';
import { now, randomName } from '../clock/clock.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { LedgerArchive } from './archive.ts';
import type { Checkpoints } from './checkpoints.ts';
import { Jobs, type Work } from './job.ts';
import { ledgerCause, saveMs } from './verification.ts';
import { walkLedger } from './walk.ts';

interface Services {
  readonly store: TenantStore;
  readonly blobs: Blobs;
  readonly archive: LedgerArchive;
  readonly checkpoints: Checkpoints;
}

const blockBytes = 2_000_000;

export function exportWork(services: Services): Work {
  return async ({ scope, jobId, job, until, save }) => {
    const { blobs, checkpoints } = services;
    if (job.tries === 1 && !job.position) {
      await removeForgotten(services, scope);
      // So that what is carried away bears a signature up to this moment. What does not verify is exported all the same: it is evidence.
      await checkpoints.advance(scope, ledgerCause());
    }
    const place = placeOf(jobId);
    const blocks = [...(job.blocks ?? [])];
    // Parts of a start that broke off bear another name, and are never put together with ours.
    const part = randomName(8);
    let { lanes, events } = job;
    let text = '';
    const flush = async (): Promise<void> => {
      if (text === '') return;
      const id = `${part}-${String(blocks.length).padStart(6, '0')}`;
      await blobs.stageBlock(scope, place, id, Buffer.from(text));
      blocks.push(id);
      text = '';
    };
    let savedAt = now();
    for await (const { lines, position } of walkLedger(services, scope, job.position)) {
      for (const line of lines) {
        text += `${JSON.stringify(line)}\n`;
        if (line.type === 'lane-end') lanes += 1;
        if (line.type === 'segment') events += countOf(line.segment);
        if (text.length > blockBytes) await flush();
      }
      if (!position || now() - savedAt < saveMs) continue;
      await flush();
      if (!(await save({ position, blocks, lanes, events }))) return 'unfinished';
      if (now() > until) return 'unfinished';
      savedAt = now();
    }
    await flush();
    await blobs.commitBlocks(scope, place, blocks);
    return { ok: true, lanes, events };
  };
}

/** The lines of an export that is done. */
export function readExport(blobs: Blobs, scope: TenantScope, jobId: string): Promise<Readable | undefined> {
  return blobs.stream(scope, placeOf(jobId));
}

/** What earlier jobs left that nobody can ask for any more. */
async function removeForgotten({ store, blobs }: Services, scope: TenantScope): Promise<void> {
  for (const name of await blobs.list(scope, 'exports', 'ledger/')) {
    const jobId = name.replace(/^ledger\/|\.ndjson$/g, '');
    if (!(await store.of(scope).read(Jobs, jobId))) await blobs.remove(scope, { container: 'exports', name });
  }
}

function placeOf(jobId: string): { container: 'exports'; name: string } {
  return { container: 'exports', name: `ledger/${jobId}.ndjson` };
}

function countOf(segment: unknown): number {
  const events = typeof segment === 'object' && segment !== null && 'events' in segment ? segment.events : undefined;
  return Array.isArray(events) ? events.length : 0;
}
