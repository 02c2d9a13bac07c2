// An agent says that it still runs. Its lease begins anew, also when it had ended.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { Signs } from '../../shared/registry/lease.ts';
import { AgentId } from '../../shared/scope/ids.ts';

const Beaten = z.object({
  status: z.literal('running'),
  lease: z.object({ ttlSeconds: z.int(), expiresAt: z.iso.datetime() }),
  /** The messaging keys in force: an agent that lacks one of them gets it by registering anew. */
  signing: z.object({ keyIds: z.array(z.string()) }),
});

export const heartbeat = http({
  name: 'registry-heartbeat',
  route: 'POST /api/registry/agents/{id}/heartbeat',
  summary: "Renews an agent's lease",
  scopes: ['agents:register'],
  path: z.object({ id: AgentId }),
  body: Signs.default({}),
  policy: ({ path }) => ({ action: 'agent:register', resource: { type: 'Agent', id: path.id } }),
  answers: { 200: Beaten },
  handle: async ({ scope, identity, path, body, exchange }, { registry, signingKeys }) => {
    if (identity.agentId !== undefined && identity.agentId !== path.id) return new Problem('agent_mismatch');
    const beaten = await registry.heartbeat(scope, exchange.cause, path.id, body);
    return beaten instanceof Problem ? beaten : reply(200, { ...beaten, signing: { keyIds: await signingKeys.idsOf(scope) } });
  },
});
