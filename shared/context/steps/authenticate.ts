// Who is calling. No credential, a false one and an ended one look the same from outside.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import type { HttpExchange } from '../exchange.ts';

export async function authenticate(exchange: HttpExchange, { authenticator }: Services): Promise<Problem | undefined> {
  if (exchange.contract.access.kind === 'anyone') return undefined;
  const { headers } = exchange.request;
  const presented = { authorization: headers.get('authorization'), apiKey: headers.get('x-api-key') };
  const identity = await exchange.time('auth', () => authenticator.identify(presented));
  if (!identity) return new Problem('unauthenticated', { headers: { 'WWW-Authenticate': 'Bearer realm="flowgrid"' } });
  exchange.identity = identity;
  return undefined;
}
