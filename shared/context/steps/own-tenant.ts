// A tenant in the path is the caller's own. Another's answers 404, as if it were not there, and is recorded; it is never looked up.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import { pathOf } from '../contract.ts';
import type { HttpExchange } from '../exchange.ts';

export function ownTenant(exchange: HttpExchange, { crossTenant }: Services): Problem | undefined {
  const { contract, caller, parameters } = exchange;
  if (caller?.kind !== 'tenant' || !pathOf(contract).includes('{tenantId}')) return undefined;
  // An address that reads otherwise to us than it did to the host names nobody: that is not the caller either.
  if (parameters['tenantId'] === caller.tenantId) return undefined;
  crossTenant.record(caller, exchange.cause, contract.name, 'path');
  return new Problem('not_found');
}
