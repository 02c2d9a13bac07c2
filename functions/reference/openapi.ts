// The OpenAPI document, made from the schemas that validate.
import { openHttp } from '../../shared/context/http.ts';
import { openApiDocument } from '../../shared/context/openapi.ts';
import { reply } from '../../shared/context/reply.ts';

export const openapi = openHttp({
  name: 'reference-openapi',
  route: 'GET /api/openapi.json',
  summary: 'The OpenAPI document of this API',
  answers: { 200: 'application/json' },
  handle: async (_, { config }) => reply(200, await openApiDocument(config.baseUrl), { 'cache-control': 'public, max-age=60' }),
});
