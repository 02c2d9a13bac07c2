// The Idempotency-Key of an authenticated POST, and what the call it names looks like: taken from the body as it was sent, before schemas fill it in.
import { Problem } from '../../errors/problem.ts';
import { methodOf } from '../contract.ts';
import type { HttpExchange } from '../exchange.ts';
import { keyedBy } from '../idempotency.ts';

const header = 'Idempotency-Key';

export function readIdempotencyKey(exchange: HttpExchange): Problem | undefined {
  const { contract, caller, request, url, body } = exchange;
  if (methodOf(contract) !== 'POST' || contract.replays === false || !caller) return undefined;
  const text = request.headers.get(header);
  if (text === null) return undefined;
  const key = keyOf(text);
  if (key === undefined)
    return new Problem('validation_failed', {
      errors: [{ pointer: `/header/${header}`, message: '1–255 visible ASCII characters, bare or as a quoted string' }],
    });
  exchange.keyed = keyedBy(key, caller, contract, url.pathname + url.search, body);
  return undefined;
}

/** The draft has a structured-field string, which is quoted (RFC 9651 section 3.3.3); most clients send the bare value. */
function keyOf(text: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1];
  const key = quoted === undefined ? text : quoted.replaceAll(/\\(.)/g, '$1');
  if (quoted === undefined && text.startsWith('"')) return undefined;
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : undefined;
}
