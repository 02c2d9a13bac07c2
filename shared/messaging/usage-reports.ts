// What agents say that they have used, by `usage.reported` to the orchestrator: an event with meters in the ledger, one for each report however often it comes.
import * as z from 'zod';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { tellOnce, toldKind } from './tell-once.ts';

/** A report of usage as `POST /api/usage` takes it (api.md, Quota); names of events go into names of documents. */
const UsageReport = z.strictObject({
  eventId: z.string().regex(/^[\w.:-]{1,128}$/, '1–128 letters, digits and _ . : -'),
  meter: z.enum(['aiTokens', 'compute', 'gpuSeconds']),
  amount: z.number().min(0).max(1e15),
  model: z.string().min(1).max(128).optional(),
  at: z.iso.datetime().optional(),
  taskId: z.string().min(1).max(128).optional(),
});
type UsageReport = z.infer<typeof UsageReport>;

export const UsageReported = z
  .union([UsageReport.transform((report) => [report]), z.array(UsageReport).min(1).max(100)])
  .refine((reports) => new Set(reports.map(({ eventId }) => eventId)).size === reports.length, 'one eventId comes twice');

const TakenReports = toldKind('usage-reports', 'usage-report');

/** Who reports, and by which message. */
interface Reporter {
  readonly agentId: string;
  readonly messageId: string;
}

export class UsageReports {
  readonly #store: TenantStore;
  readonly #ledger: Ledger;

  constructor(store: TenantStore, ledger: Ledger) {
    this.#store = store;
    this.#ledger = ledger;
  }

  /**
   * Tells of each report that was not told of yet. A crash between the event and its mark lets the same message tell once more, under the same `eventId`:
   * a reading of the meters counts one agent's `eventId` once.
   */
  async take(scope: TenantScope, cause: Cause, reporter: Reporter, reports: readonly UsageReport[]): Promise<void> {
    await Promise.all(reports.map((report) => this.#take(scope, cause, reporter, report)));
  }

  async #take(scope: TenantScope, cause: Cause, { agentId, messageId }: Reporter, report: UsageReport): Promise<void> {
    const { eventId, meter, amount, model, at, taskId } = report;
    // Ids of events are each agent's own: none can keep another's report from being told.
    await tellOnce(this.#store.of(scope), TakenReports, `${agentId}:${eventId}`, messageId, () =>
      this.#ledger.append(scope, cause, {
        action: 'usage.reported',
        entity: { type: 'agent', id: agentId },
        new: {
          eventId,
          messageId,
          ...(model !== undefined && { model }),
          ...(at !== undefined && { at }),
          ...(taskId !== undefined && { taskId }),
        },
        meters: { [meter]: amount },
      }),
    );
  }
}
