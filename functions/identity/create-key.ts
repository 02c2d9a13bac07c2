// Makes an API key. Its text is answered here, once.
import * as z from 'zod';
import { now } from '../../shared/clock/clock.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { MadeKey } from '../../shared/identity/key-view.ts';
import { roleNames, tenantScopes } from '../../shared/identity/scopes.ts';
import { AgentId, TenantId } from '../../shared/scope/ids.ts';

const tenYearsMs = 10 * 366 * 86_400_000;

const Body = z.strictObject({
  name: z.string().min(1).max(200),
  role: z.enum(roleNames).optional(),
  scopes: z.array(z.enum(tenantScopes)).min(1).max(tenantScopes.length).optional(),
  agentId: AgentId.optional(),
  expiresAt: z.iso
    .datetime()
    .refine((at) => Date.parse(at) > now(), 'in the future')
    .refine((at) => Date.parse(at) < now() + tenYearsMs, 'within ten years')
    .optional(),
});

export const createKey = http({
  name: 'identity-create-key',
  route: 'POST /tenants/{tenantId}/api-keys',
  summary: 'Makes an API key',
  scopes: ['keys:manage'],
  path: z.object({ tenantId: TenantId }),
  body: Body,
  answers: { 201: MadeKey },
  audit: 'key.created',
  secrets: ['key'],
  handle: async ({ identity, body, exchange }, { keys }) => {
    const made = await keys.create(identity, exchange.cause, body);
    return made instanceof Problem ? made : reply(201, made);
  },
});
