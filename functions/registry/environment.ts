// What an agent is started with: its own key, newly made, and the names of its things. Deployable as it is.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { AgentId, TenantId } from '../../shared/scope/ids.ts';

const Environment = z.object({
  FLOWGRID_TENANT_ID: TenantId,
  FLOWGRID_TENANT_SECRET: z.string(),
  AGENT_ID: AgentId,
  AGENT_NAME: z.string(),
  FLOWGRID_REGISTRY_URL: z.url(),
  FLOWGRID_API_TOKEN: z.string(),
  SERVICEBUS_QUEUE_NAME: z.string(),
  SERVICEBUS_DEDICATED_QUEUE: z.string(),
});

export const environment = http({
  name: 'registry-environment',
  route: 'POST /tenants/{tenantId}/agents/{agentId}/environment',
  summary: "Makes (or rotates) an agent's key and answers its environment",
  scopes: ['keys:manage'],
  path: z.object({ tenantId: TenantId, agentId: AgentId }),
  policy: ({ path }) => ({ action: 'agent:environment', resource: { type: 'Agent', id: path.agentId } }),
  answers: { 200: Environment },
  audit: 'key.created',
  secrets: ['FLOWGRID_API_TOKEN', 'FLOWGRID_TENANT_SECRET'],
  handle: async ({ scope, path, exchange }, { agentEnvironments }) => {
    const made = await agentEnvironments.make(scope, exchange.cause, path.agentId);
    if (made instanceof Problem) return made;
    if (!exchange.request.headers.get('accept')?.startsWith('text/plain')) return reply(200, made);
    const raw = Object.entries(made)
      .map(([name, value]) => `${name}=${quoted(value)}\n`)
      .join('');
    return { status: 200, raw, headers: { 'content-type': 'text/plain; charset=utf-8' } };
  },
});

/** As dotenv reads it: bare where nothing can be misread. */
function quoted(value: string): string {
  return /^[\w.:/@%+=,-]*$/.test(value) ? value : JSON.stringify(value);
}
