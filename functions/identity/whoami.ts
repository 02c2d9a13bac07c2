// Who the caller is to us.
import * as z from 'zod';
import { sharedHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { AgentId } from '../../shared/scope/ids.ts';

const Whoami = z.object({
  tenantId: z.string().nullable(),
  subject: z.string(),
  method: z.enum(['api-key', 'token', 'external', 'session', 'dev', 'platform-key']),
  role: z.string().nullable(),
  scopes: z.array(z.string()),
  agentId: AgentId.optional(),
  groups: z.array(z.string()),
});

export const whoami = sharedHttp({
  name: 'identity-whoami',
  route: 'GET /api/auth/whoami',
  summary: 'Tells who the caller is',
  scopes: [],
  platformScopes: [],
  answers: { 200: Whoami },
  handle: ({ identity }) => {
    const { subject, method, role = null } = identity;
    const shown = { subject, method, role, scopes: [...identity.scopes] };
    if (identity.kind === 'platform') return reply(200, { tenantId: null, ...shown, groups: [] });
    const { tenantId, agentId, groups } = identity;
    return reply(200, { tenantId, ...shown, ...(agentId !== undefined && { agentId }), groups });
  },
});
