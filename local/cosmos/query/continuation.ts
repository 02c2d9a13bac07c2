// Where a query goes on: after the last item of the page before, wherever that stands now. So nothing written between two pages makes an item
// appear twice or be left out.
import * as z from 'zod';
import { badRequest } from '../refusal.ts';
import { queryNotModelled } from './tokens.ts';

const Scalar = z.union([z.null(), z.boolean(), z.number(), z.string()]);
const Position = z.strictObject({ seq: z.int(), keys: z.array(z.array(Scalar).max(1)), taken: z.int() });
/** `taken`: how many items the pages before held, for TOP and LIMIT. */
export type Position = z.infer<typeof Position>;

/** Strings longer than this in ORDER BY cannot be continued after, so that a token stays a small header. */
const maxKeyLength = 1_000;

export function writeToken(position: Position): string {
  if (position.keys.some(([value]) => typeof value === 'string' && value.length > maxKeyLength)) {
    throw queryNotModelled(`a further page after an ORDER BY value of more than ${maxKeyLength} characters`);
  }
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** @param keys how many the query sorts by. */
export function readToken(token: string, keys: number): Position {
  try {
    const position = Position.parse(JSON.parse(Buffer.from(token, 'base64url').toString()));
    if (position.keys.length === keys) return position;
  } catch {
    // Answered as the token of another query is.
  }
  throw badRequest('Invalid Continuation Token');
}
