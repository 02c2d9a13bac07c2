// One unit of the function's meter, where it has one. Over the limit nothing is taken, and what never reached a provider is given back.

import { now } from '../../clock/clock.ts';
import type { Services } from '../../compose.ts';
import type { ProblemCode } from '../../errors/catalogue.ts';
import type { Problem } from '../../errors/problem.ts';
import { log } from '../../telemetry/log.ts';
import type { HttpExchange } from '../exchange.ts';

export async function takeQuota(exchange: HttpExchange, { quotas }: Services): Promise<Problem | undefined> {
  const { contract, caller } = exchange;
  const meter = contract.quota;
  if (meter === undefined || caller?.kind !== 'tenant') return undefined;
  const takenAt = now();
  const problem = await exchange.time('quota', () => quotas.take(caller.scope, meter, takenAt));
  if (!problem) exchange.quotaTakenAt = takenAt;
  return problem;
}

/** After these the provider has been called, or may have been. */
const spent = new Set<ProblemCode>(['credentials_rejected', 'upstream_error', 'upstream_timeout', 'upstream_unreachable']);

/** For a call that ended in a Problem. */
export async function giveQuotaBack(
  { contract, caller, quotaTakenAt, requestId }: HttpExchange,
  { quotas }: Services,
  problem: Problem,
): Promise<void> {
  const meter = contract.quota;
  if (quotaTakenAt === undefined || meter === undefined || caller?.kind !== 'tenant' || spent.has(problem.code)) return;
  await quotas
    .giveBack(caller.scope, meter, quotaTakenAt)
    .catch(() => log.warn('a unit of quota was not given back', caller.tenantId, { requestId, meter }));
}
