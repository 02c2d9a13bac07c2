// What our authorization server offers (RFC 8414, at the path of OpenID Connect Discovery 1.0). People sign in elsewhere: we issue no ID tokens, and
// there is nothing to authorize at.
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { tenantScopes } from '../../shared/identity/scopes.ts';

const Configuration = z.object({
  issuer: z.url(),
  jwks_uri: z.url(),
  token_endpoint: z.url(),
  revocation_endpoint: z.url(),
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  scopes_supported: z.array(z.string()),
  subject_types_supported: z.array(z.string()),
  id_token_signing_alg_values_supported: z.array(z.string()),
  service_documentation: z.url(),
});

export const openidConfiguration = openHttp({
  name: 'discovery-openid-configuration',
  route: 'GET /.well-known/openid-configuration',
  summary: 'What our authorization server offers',
  answers: { 200: Configuration },
  handle: (_, { config: { baseUrl, jwtEnabled } }) => {
    const configuration: z.infer<typeof Configuration> = {
      issuer: baseUrl,
      jwks_uri: `${baseUrl}/.well-known/jwks.json`,
      token_endpoint: `${baseUrl}/api/auth/token`,
      revocation_endpoint: `${baseUrl}/api/auth/revoke`,
      grant_types_supported: jwtEnabled ? ['client_credentials', 'refresh_token'] : [],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      revocation_endpoint_auth_methods_supported: ['none'],
      scopes_supported: [...tenantScopes],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [],
      service_documentation: `${baseUrl}/api/docs`,
    };
    return reply(200, configuration, { 'cache-control': 'public, max-age=300' });
  },
});
