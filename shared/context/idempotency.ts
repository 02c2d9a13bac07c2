// What is kept of a POST that bore an Idempotency-Key: that it is running, then its first answer, for 24 hours in the caller's own partition
// (docs/decisions/013). Neither the key nor the request can be read from it, and no secret that an answer shows once is in it.
import { createHash, createHmac } from 'node:crypto';
import * as z from 'zod';
import { iso, newId, now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import type { Identity } from '../identity/identity.ts';
import { canonical } from '../messaging/canonical.ts';
import type { TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind, remove, replace, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { HttpContract } from './contract.ts';

/** An answer as it can be given again. */
const Kept = z.strictObject({ status: z.int(), headers: z.record(z.string(), z.string()), body: z.base64().optional() });
export type Kept = z.infer<typeof Kept>;

/**
 * `running`: the handler has not answered yet. `answering`: it has, and the answer is still going out. `done`: with the answer. `unkept`: it
 * ran, and its answer was too long to keep or did not go out whole.
 */
const CallRecord = z.strictObject({
  fingerprint: z.string(),
  claim: z.string(),
  startedAt: z.iso.datetime(),
  state: z.enum(['running', 'answering', 'done', 'unkept']),
  answer: Kept.optional(),
});
type CallRecord = z.infer<typeof CallRecord>;

export const IdempotencyRecords: DocumentKind<CallRecord> = { container: 'work', type: 'idempotency', schema: CallRecord };

const ttlSeconds = 24 * 3_600;
/** A call that has not answered after this long never will: its process is gone. The longest tool call takes 120 s. */
const lapseMs = 150_000;
/** Others that come and go between our reads, before the caller is told to come back. */
const claimTries = 5;

/** A call as its key names it: `name` is the record's, `fingerprint` tells whether it is the same call again. */
export interface Keyed {
  readonly name: string;
  readonly fingerprint: string;
}

/** The right to run the call and to say what came of it. */
export interface Claim extends Keyed {
  readonly scope: TenantScope;
  readonly id: string;
}

/**
 * A key is its caller's own: of the same tenant, another caller with the same key has another record, and is never shown what this one was
 * answered. The fingerprint is keyed with the key, which is not kept, so a short secret in a body cannot be guessed from it.
 */
export function keyedBy(key: string, identity: Identity, contract: HttpContract, address: string, body: unknown): Keyed {
  const agentId = identity.kind === 'tenant' ? (identity.agentId ?? null) : null;
  const caller = [identity.method, identity.subject, agentId];
  return {
    name: createHash('sha256')
      .update(canonical([caller, contract.route, key]))
      .digest('hex'),
    fingerprint: createHmac('sha256', key)
      .update(canonical([address, body ?? null]))
      .digest('base64url'),
  };
}

/** The claim to run the call, the first answer when it ran already, or why it may not run. Of any number at once, one gets the claim. */
export async function claimCall(store: TenantStore, scope: TenantScope, keyed: Keyed): Promise<Claim | Kept | Problem> {
  const { name, fingerprint } = keyed;
  const partition = store.of(scope);
  const claim: Claim = { ...keyed, scope, id: newId() };
  for (let tries = 0; tries < claimTries; tries++) {
    const record: CallRecord = { fingerprint, claim: claim.id, startedAt: iso(), state: 'running' };
    if ((await partition.commit([create(IdempotencyRecords, name, record, ttlSeconds)], bucketOf(name))).done) return claim;
    const stored = await partition.read(IdempotencyRecords, name, bucketOf(name));
    if (!stored) continue;
    const standing = judge(stored.body, fingerprint);
    if (standing !== 'lapsed') return standing;
    if ((await partition.commit([replace(IdempotencyRecords, stored, record, ttlSeconds)], bucketOf(name))).done) return claim;
  }
  return inProgress();
}

function judge({ fingerprint, state, startedAt, answer }: CallRecord, own: string): Kept | Problem | 'lapsed' {
  if (fingerprint !== own) return new Problem('idempotency_mismatch');
  if (state === 'done' && answer) return answer;
  const isOver = now() - Date.parse(startedAt) > lapseMs;
  if (state === 'unkept' || (state === 'answering' && isOver)) return new Problem('idempotency_not_kept');
  return isOver ? 'lapsed' : inProgress();
}

function inProgress(): Problem {
  return new Problem('idempotency_in_progress', { headers: { 'Retry-After': '1' } });
}

/** Says what came of a claimed call. Does nothing when the claim has lapsed and gone to another. */
export async function settleClaim(store: TenantStore, claim: Claim, state: 'answering' | 'unkept' | Kept): Promise<void> {
  const stored = await held(store, claim);
  if (!stored) return;
  const record: CallRecord = typeof state === 'string' ? { ...stored.body, state } : { ...stored.body, state: 'done', answer: state };
  await store.of(claim.scope).commit([replace(IdempotencyRecords, stored, record, ttlSeconds)], bucketOf(claim.name));
}

/** Frees the key: the same call may run again at once. */
export async function releaseClaim(store: TenantStore, claim: Claim): Promise<void> {
  const stored = await held(store, claim);
  if (stored) await store.of(claim.scope).commit([remove(IdempotencyRecords, claim.name, stored.etag)], bucketOf(claim.name));
}

async function held(store: TenantStore, { scope, name, id }: Claim): Promise<Stored<CallRecord> | undefined> {
  const stored = await store.of(scope).read(IdempotencyRecords, name, bucketOf(name));
  return stored?.body.claim === id ? stored : undefined;
}

/** 256 logical partitions a tenant: no single one takes all its writes. */
function bucketOf(name: string): string {
  return `idempotency-${name.slice(0, 2)}`;
}
