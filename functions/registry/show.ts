// One agent's bare A2A card; of an agent that does not run only for who may manage agents. Named so that it sorts behind `registry-search`, whose route it would shadow.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { isRunning } from '../../shared/registry/agent.ts';
import { cardVersions } from '../../shared/registry/card/card.ts';
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
    const { agent, etag } = found;
    const card = query.a2a === agent.cardVersion ? agent.original : query.a2a === '1.0' ? agent.card : undefined;
    if (!card) {
      return new Problem('validation_failed', {
        errors: [{ pointer: '/query/a2a', message: `this card came as ${agent.cardVersion} and is served as that and as 1.0` }],
      });
    }
    // The store's tag, told apart by version; it is quoted already (RFC 9110 section 8.8.3).
    const tag = `"${query.a2a}-${etag.replaceAll('"', '')}"`;
    if (names(exchange.request.headers.get('if-none-match'), tag)) return { status: 304, raw: null, headers: { etag: tag } };
    return reply(200, card, { etag: tag });
  },
});

/** Whether an If-None-Match names the tag: alone, in a list, weakly or by `*` (RFC 9110 section 13.1.2). */
function names(header: string | null, tag: string): boolean {
  return (header ?? '').split(',').some((each) => [tag, `W/${tag}`, '*'].includes(each.trim()));
}
