// The jobs of a tenant's ledger: verify and export. A job is a document and messages on `platform-dispatch`; each message works for a while, notes how far it
// came, and sends the next one.
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
import { iso, newId, now } from '../clock/clock.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind, remove, replace, type Stored } from '../storage/documents.ts';
import type { TenantPartition } from '../storage/tenant-partition.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';
import { CheckState, reasons } from './verify-chain.ts';
import { Position } from './walk.ts';

export const jobKinds = ['verify', 'export'] as const;
export type JobKind = (typeof jobKinds)[number];

export const FirstBroken = z.strictObject({ lane: z.string(), seq: z.int(), reason: z.enum(reasons) });

export const Job = z.strictObject({
  kind: z.enum(jobKinds),
  status: z.enum(['running', 'done', 'failed']),
  /** Null until it is known. */
  ok: z.boolean().nullable(),
  lanes: z.int(),
  events: z.int(),
  firstBroken: FirstBroken.nullable(),
  /** When it last came further. */
  touchedAt: z.iso.datetime(),
  /** Starts since it last came further. */
  tries: z.int(),
  position: Position.optional(),
  /** What a verification has found so far. */
  check: CheckState.optional(),
  /** The parts of an export that are written. */
  blocks: z.array(z.string()).optional(),
});
export type Job = z.infer<typeof Job>;

const bucket = 'ledger-jobs';
export const Jobs: DocumentKind<Job> = { container: 'work', bucket, type: 'ledger-job', schema: Job };
/** The one job of a kind that runs, by the name of the kind. */
const Running: DocumentKind<{ jobId: string }> = {
  container: 'work',
  bucket,
  type: 'ledger-job-running',
  schema: z.strictObject({ jobId: z.string() }),
};

/** A job and what it made can be asked for this long. */
const keptSeconds = 86_400;
/** A job that has not come further for so long has lost its message; whoever asks for it sends another. */
const lostMs = 30_000;
/** Starts without coming further after which a job has failed. */
const mostTries = 5;

/** One slice of a job: works until `until` (milliseconds), calling `save` where another process could go on, and answers whether it is done. */
export type Work = (call: {
  readonly scope: TenantScope;
  readonly jobId: string;
  readonly job: Job;
  readonly until: number;
  readonly save: (progress: Partial<Job>) => Promise<boolean>;
}) => Promise<Partial<Job> | 'unfinished'>;

/** One message works this long; the host gives it ten minutes. */
const sliceMs = 60_000;

interface Services {
  readonly store: TenantStore;
  readonly bus: Bus;
  readonly platform: PlatformScope;
  readonly work: Readonly<Record<JobKind, Work>>;
}

export class LedgerJobs {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Starts a job, or answers the one of this kind that runs. */
  async start(scope: TenantScope, kind: JobKind): Promise<{ jobId: string }> {
    const partition = this.#services.store.of(scope);
    const jobId = newId();
    const fresh: Job = { kind, status: 'running', ok: null, lanes: 0, events: 0, firstBroken: null, touchedAt: iso(), tries: 0 };
    const job = create(Jobs, jobId, fresh, keptSeconds);
    const made = await partition.commit([create(Running, kind, { jobId }, keptSeconds), job]);
    if (made.done) {
      await this.#ring(scope, jobId);
      return { jobId };
    }
    const running = await partition.read(Running, kind);
    const other = running && (await partition.read(Jobs, running.body.jobId));
    if (running && other?.body.status === 'running') {
      await this.#ringIfLost(scope, running.body.jobId, other.body);
      return running.body;
    }
    // What is noted as running has ended or is forgotten.
    if (running) await partition.commit([remove(Running, kind, running.etag)]);
    return this.start(scope, kind);
  }

  /** A job of this tenant and kind. */
  async read(scope: TenantScope, kind: JobKind, jobId: string): Promise<Job | Problem> {
    const job = await this.#services.store.of(scope).read(Jobs, jobId);
    if (job?.body.kind !== kind) return new Problem('not_found');
    await this.#ringIfLost(scope, jobId, job.body);
    return job.body;
  }

  /** Handles a message: works on the job for a while. A message that comes twice, or too late, does no harm. */
  async run(scope: TenantScope, jobId: string): Promise<void> {
    const slice = new Slice(this.#services.store.of(scope), jobId);
    const job = await slice.begin();
    if (!job) return;
    try {
      if (job.tries > mostTries) return void (await slice.end({ status: 'failed', ok: false }));
      const call = { scope, jobId, job, until: now() + sliceMs, save: (progress: Partial<Job>) => slice.save(progress) };
      const result = await this.#services.work[job.kind](call);
      if (slice.lost) return;
      if (result === 'unfinished') await this.#ring(scope, jobId);
      else await slice.end({ status: 'done', ...result });
    } catch (error) {
      log.warn('a job of a ledger broke off', scope.tenantId, {
        jobId,
        kind: job.kind,
        error: error instanceof Error ? error.name : typeof error,
      });
      throw error;
    }
  }

  async #ringIfLost(scope: TenantScope, jobId: string, job: Job): Promise<void> {
    if (job.status === 'running' && now() - Date.parse(job.touchedAt) > lostMs) await this.#ring(scope, jobId);
  }

  /** The job is there whether or not its message goes out: whoever asks for it later sends another. */
  async #ring(scope: TenantScope, jobId: string): Promise<void> {
    const body = { kind: 'job', tenantId: scope.tenantId, jobId };
    try {
      await this.#services.bus.sendToPlatform(this.#services.platform, 'platform-dispatch', { messageId: newId(), body });
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('a job could not be called for', scope.tenantId, { jobId });
    }
  }
}

/** One process's hold on a job: each save names the version it follows, so of two that work on one job one gives up. */
class Slice {
  readonly #partition: TenantPartition;
  readonly #jobId: string;
  #stored: Stored<Job> | undefined;
  #lost = false;

  constructor(partition: TenantPartition, jobId: string) {
    this.#partition = partition;
    this.#jobId = jobId;
  }

  /** Another process has the job now. */
  get lost(): boolean {
    return this.#lost;
  }

  /** The job, or undefined when there is nothing to do. */
  async begin(): Promise<Job | undefined> {
    this.#stored = await this.#partition.read(Jobs, this.#jobId);
    const job = this.#stored?.body;
    if (job?.status !== 'running') return undefined;
    return (await this.#write({ ...job, tries: job.tries + 1 })) ? this.#stored?.body : undefined;
  }

  /** False when another process has the job. */
  async save(progress: Partial<Job>): Promise<boolean> {
    const job = this.#stored?.body;
    return job !== undefined && (await this.#write({ ...job, ...progress, tries: 0, touchedAt: iso() }));
  }

  async end(result: Partial<Job>): Promise<void> {
    const job = this.#stored?.body;
    if (!job) return;
    const { position: _, check: __, blocks: ___, ...rest } = job;
    if (await this.#write({ ...rest, ...result, touchedAt: iso() })) {
      const running = await this.#partition.read(Running, job.kind);
      if (running?.body.jobId === this.#jobId) await this.#partition.commit([remove(Running, job.kind, running.etag)]);
    }
  }

  async #write(job: Job): Promise<boolean> {
    if (!this.#stored || this.#lost) return false;
    const outcome = await this.#partition.commit([replace(Jobs, this.#stored, job, keptSeconds)]);
    this.#lost = !outcome.done;
    // The new tag; a version that came after ours is another process's.
    if (outcome.done) this.#stored = await this.#partition.read(Jobs, this.#jobId);
    return outcome.done;
  }
}
