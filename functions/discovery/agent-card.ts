// FlowGrid's own A2A card, at the path and with the caching of A2A 1.0 (8.2 and 8.6).
import * as z from 'zod';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { platformCard } from '../../shared/registry/card/platform-card.ts';

const kept = { 'cache-control': 'public, max-age=3600' };

export const agentCard = openHttp({
  name: 'discovery-agent-card',
  route: 'GET /.well-known/agent-card.json',
  summary: 'FlowGrid’s own A2A agent card',
  answers: { 200: z.record(z.string(), z.unknown()), 304: undefined },
  handle: ({ exchange }, { config: { baseUrl } }) => {
    const card = platformCard(baseUrl);
    const tag = etagOf({ etag: JSON.stringify(card) });
    return notModified(exchange, tag, kept) ?? reply(200, card, { etag: tag, ...kept });
  },
});
