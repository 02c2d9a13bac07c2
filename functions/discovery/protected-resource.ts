// What this API asks of a token (RFC 9728): where the `resource_metadata` of every 401 points.
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { tenantScopes } from '../../shared/identity/scopes.ts';

const Metadata = z.object({
  resource: z.url(),
  authorization_servers: z.array(z.url()).optional(),
  jwks_uri: z.url(),
  scopes_supported: z.array(z.string()),
  bearer_methods_supported: z.array(z.string()),
  resource_name: z.string(),
  resource_documentation: z.url(),
});

export const protectedResource = openHttp({
  name: 'discovery-protected-resource',
  route: 'GET /.well-known/oauth-protected-resource',
  summary: 'What this API asks of a token',
  answers: { 200: Metadata },
  handle: (_, { config: { baseUrl, jwtEnabled } }) => {
    const metadata: z.infer<typeof Metadata> = {
      resource: baseUrl,
      ...(jwtEnabled && { authorization_servers: [baseUrl] }),
      jwks_uri: `${baseUrl}/.well-known/jwks.json`,
      scopes_supported: [...tenantScopes],
      bearer_methods_supported: ['header'],
      resource_name: 'FlowGrid',
      resource_documentation: `${baseUrl}/api/docs`,
    };
    return reply(200, metadata, { 'cache-control': 'public, max-age=300' });
  },
});
