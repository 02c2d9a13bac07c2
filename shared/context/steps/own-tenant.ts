// A tenant in the path is the caller's own. Another's answers 404, as if it were not there, and is recorded; it is never looked up.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import type { HttpExchange } from '../exchange.ts';

export function ownTenant(exchange: HttpExchange, { crossTenant }: Services): Problem | undefined {
  const named = exchange.parameters['tenantId'];
  const { caller } = exchange;
  if (named === undefined || caller?.kind !== 'tenant' || named === caller.tenantId) return undefined;
  crossTenant.record(caller, exchange.cause, exchange.contract.name, 'path');
  return new Problem('not_found');
}
