// The token endpoint (RFC 6749, 3.2): an API key or a refresh token for an access token.
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { readClient } from '../../shared/identity/client.ts';
import { oauthMembers } from '../../shared/identity/oauth-errors.ts';
import type { TokenAnswer } from '../../shared/identity/tokens.ts';

/** A parameter without a value counts as left out (RFC 6749, 3.2). */
const parameter = z
  .string()
  .max(4_096)
  .transform((text) => (text === '' ? undefined : text))
  .optional();

const Answer = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
  refresh_token: z.string(),
  scope: z.string(),
});

export const token = openHttp({
  name: 'identity-token',
  route: 'POST /api/auth/token',
  summary: 'Gives an access token for an API key or a refresh token',
  accepts: 'form',
  replays: false,
  body: z.object({
    grant_type: z.string().max(200).meta({ description: '`client_credentials` or `refresh_token`' }),
    client_id: parameter,
    client_secret: parameter,
    refresh_token: parameter,
    scope: parameter,
  }),
  answers: { 200: Answer },
  problemMembers: oauthMembers,
  handle: async ({ body, exchange }, { config, tokens }) => {
    const { grant_type: grant, client_id: id, client_secret: secret, refresh_token: refresh, scope } = body;
    if (!config.jwtEnabled) return new Problem('unsupported_grant_type', { detail: 'No tokens are issued here.' });
    if (grant !== 'client_credentials' && grant !== 'refresh_token') return new Problem('unsupported_grant_type');
    const client = readClient(exchange.header('authorization'), id, secret);
    if (client instanceof Problem) return client;
    let made: TokenAnswer | Problem;
    if (grant === 'client_credentials') made = await tokens.grant(exchange, client, scope);
    else if (refresh === undefined) return new Problem('invalid_request', { detail: 'The refresh token is missing.' });
    else made = await tokens.renew(exchange, client, refresh, scope);
    return made instanceof Problem ? made : reply(200, made);
  },
});
