// Who is calling. No credential, a false one and an ended one look the same from outside.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import type { Presented } from '../../identity/authenticate.ts';
import type { HttpExchange } from '../exchange.ts';

export async function authenticate(exchange: HttpExchange, { authenticator }: Services): Promise<Problem | undefined> {
  if (exchange.contract.access.kind === 'anyone') return undefined;
  const identity = await exchange.time('auth', () => authenticator.identify(presentedBy(exchange)));
  if (!identity) return new Problem('unauthenticated', { headers: { 'WWW-Authenticate': 'Bearer realm="flowgrid"' } });
  exchange.identity = identity;
  return undefined;
}

/** The host lets a query parameter named `headers` take the place of all headers, and a credential never comes in a query string. */
function presentedBy({ request: { headers }, url: { searchParams } }: HttpExchange): Presented {
  if ([...searchParams.keys()].some((name) => name.toLowerCase() === 'headers')) return { authorization: null, apiKey: null };
  return { authorization: headers.get('authorization'), apiKey: headers.get('x-api-key') };
}
