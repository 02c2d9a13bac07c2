// One agent's bare A2A card; of an agent that does not run only for who may manage agents. Named so that it sorts behind `registry-search`, whose route it would shadow.
import * as z from 'zod';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { isRunning } from '../../shared/registry/agent.ts';
import { type Card, cardIn, cardVersions } from '../../shared/registry/card/card.ts';
import { AgentId } from '../../shared/scope/ids.ts';

export const show = http({
  name: 'registry-show',
  route: 'GET /api/registry/agents/{id}',
  summary: "Shows an agent's card",
  scopes: ['agents:read'],
  path: z.object({ id: z.string() }),
  query: z.object({ a2a: z.enum(cardVersions).default('1.0') }),
  answers: { 200: z.record(z.string(), z.unknown()), 304: undefined },
  handle: async ({ scope, identity, path, query, exchange }, { registry }) => {
    const id = AgentId.safeParse(path.id);
    const found = id.success ? await registry.find(scope, id.data) : undefined;
    if (!found || !(isRunning(found.agent) || identity.scopes.has('agents:manage'))) return new Problem('not_found');
    const { agent } = found;
    // `readCard` has made it.
    const inner = agent.card as Card;
    const card = cardIn(query.a2a, { version: agent.cardVersion, original: agent.original, card: inner });
    const tag = etagOf(found, query.a2a);
    return notModified(exchange, tag) ?? reply(200, card, { etag: tag });
  },
});
