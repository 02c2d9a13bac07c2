// The tenant's own policies do not refuse what the call asks to do. Without any that speak of it the scopes have decided.
import type { Services } from '../../compose.ts';
import type { Problem } from '../../errors/problem.ts';
import type { HttpExchange } from '../exchange.ts';

export async function decidePolicy(exchange: HttpExchange, { policyEngine }: Services): Promise<Problem | undefined> {
  const { contract, caller, path, query, body, ip } = exchange;
  if (!contract.policy || caller?.kind !== 'tenant') return undefined;
  const question = contract.policy({ path, query, body });
  return question && exchange.time('policy', () => policyEngine.refuse(caller, question, ip));
}
