// FlowGrid's own AI Catalog (https://ai-catalog.io, 1.0): one entry, its agent card. What tenants have registered is theirs and not in it.
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';

const type = 'application/ai-catalog+json';

const kept = { 'cache-control': 'public, max-age=3600' };

export const aiCatalog = openHttp({
  name: 'discovery-ai-catalog',
  route: 'GET /.well-known/ai-catalog.json',
  summary: 'What AI artifacts FlowGrid itself publishes',
  answers: { 200: type, 304: undefined },
  handle: ({ exchange }, { config: { baseUrl } }) => {
    const { hostname } = new URL(baseUrl);
    const catalog = {
      specVersion: '1.0',
      host: { displayName: 'FlowGrid', identifier: hostname, documentationUrl: `${baseUrl}/api/docs` },
      entries: [
        {
          identifier: `urn:air:${hostname}:a2a:flowgrid`,
          type: 'application/a2a-agent-card+json',
          url: `${baseUrl}/.well-known/agent-card.json`,
        },
      ],
    };
    const tag = etagOf({ etag: JSON.stringify(catalog) });
    return notModified(exchange, tag, kept) ?? reply(200, catalog, { 'content-type': type, etag: tag, ...kept });
  },
});
