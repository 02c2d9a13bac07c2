// One unit of the function's meter, where it has one. Over the limit nothing is taken.
import type { Services } from '../../compose.ts';
import type { Problem } from '../../errors/problem.ts';
import type { HttpExchange } from '../exchange.ts';

export async function takeQuota(exchange: HttpExchange, { quotas }: Services): Promise<Problem | undefined> {
  const { contract, caller } = exchange;
  const meter = contract.quota;
  if (meter === undefined || caller?.kind !== 'tenant') return undefined;
  return exchange.time('quota', () => quotas.take(caller.scope, meter));
}
