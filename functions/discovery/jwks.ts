// The public keys that our tokens are signed with (RFC 7517).
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';

const Key = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  kid: z.string(),
  use: z.literal('sig'),
  alg: z.literal('ES256'),
});

export const jwks = openHttp({
  name: 'discovery-jwks',
  route: 'GET /.well-known/jwks.json',
  summary: 'The public keys of our tokens',
  answers: { 200: z.object({ keys: z.array(Key) }) },
  handle: async (_, { tokenKeys }) => {
    const keys = (await tokenKeys.published()).map(({ version, jwk }) => ({ ...jwk, kid: version, use: 'sig', alg: 'ES256' }));
    return reply(200, { keys }, { 'cache-control': 'public, max-age=300' });
  },
});
