// A call with an Idempotency-Key runs once: the first gets the claim to run, any other the first answer or word that there is none yet.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import type { HttpExchange } from '../exchange.ts';
import { claimCall } from '../idempotency.ts';
import { replayOf } from '../kept-answer.ts';
import type { Reply } from '../reply.ts';

export async function claimRun(exchange: HttpExchange, { store }: Services): Promise<Problem | Reply | undefined> {
  const { keyed, caller } = exchange;
  if (!keyed || !caller) return undefined;
  const outcome = await claimCall(store, caller.kind === 'tenant' ? caller.scope : caller.platform.own, keyed);
  if (outcome instanceof Problem) return outcome;
  if (!('id' in outcome)) return replayOf(exchange, outcome);
  exchange.claim = outcome;
  return undefined;
}
