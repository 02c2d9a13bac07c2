// An agent goes. The second time is as good as the first.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { AgentId } from '../../shared/scope/ids.ts';

export const unregister = http({
  name: 'registry-unregister',
  route: 'DELETE /api/registry/agents/{id}/unregister',
  summary: 'Unregisters an agent',
  scopes: ['agents:register'],
  path: z.object({ id: AgentId }),
  policy: ({ path }) => ({ action: 'agent:unregister', resource: { type: 'Agent', id: path.id } }),
  answers: { 204: undefined },
  audit: 'agent.unregistered',
  handle: async ({ scope, identity, path, exchange }, { registry }) => {
    if (identity.agentId !== undefined && identity.agentId !== path.id) return new Problem('agent_mismatch');
    await registry.unregister(scope, exchange.cause, path.id);
    return nothing;
  },
});
