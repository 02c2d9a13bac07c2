// Ends the tokens of a family, for whoever holds one of them (RFC 7009).
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { oauthMembers } from '../../shared/identity/oauth-errors.ts';

export const revoke = openHttp({
  name: 'identity-revoke',
  route: 'POST /api/auth/revoke',
  summary: 'Revokes a token and all that were issued with it',
  accepts: 'form',
  replays: false,
  // Holding a token is enough to end it; who the client is, and which kind it takes the token for, may be said and is not needed.
  body: z.object({ token: z.string().min(1).max(16_384) }),
  answers: { 200: undefined },
  problemMembers: oauthMembers,
  handle: async ({ body, exchange }, { tokens }) => {
    await tokens.revoke(exchange, body.token);
    return { status: 200, raw: null };
  },
});
