// Makes a tenant. Its queues, keys and secrets are made on `platform-provision`; its first key is answered here, once.
import * as z from 'zod';
import { platformHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { actorOf } from '../../shared/identity/identity.ts';
import { tierNames } from '../../shared/quota/tiers.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Quotas } from '../../shared/tenancy/tenant.ts';
import { TenantView, viewOfTenant } from '../../shared/tenancy/view.ts';

const part = z.string().min(1).max(253);

const Body = z.strictObject({
  id: TenantId,
  name: z.string().min(1).max(200),
  tier: z.enum(tierNames).default('standard'),
  quotas: Quotas.default({}),
  placement: z.strictObject({ namespace: part.optional(), vault: part.optional(), account: part.optional() }).optional(),
});

const Created = TenantView.extend({ ownerKey: z.object({ keyId: z.string(), key: z.string() }) });

export const create = platformHttp({
  name: 'tenants-create',
  route: 'POST /tenants',
  summary: 'Creates a tenant and its owner key',
  scopes: ['platform:tenants'],
  body: Body,
  answers: { 201: Created, 200: TenantView },
  audit: 'tenant.created',
  secrets: ['key'],
  handle: async ({ identity, exchange, body }, { tenants, config }) => {
    const { placement, ...order } = body;
    const made = await tenants.create(
      identity.platform,
      { ...exchange.cause, actor: actorOf(identity) },
      { ...order, ...(placement && { placement: defined(placement) }) },
    );
    if (made instanceof Problem) return made;
    const view = viewOfTenant(made.tenant, config.flags);
    return made.ownerKey ? reply(201, { ...view, ownerKey: made.ownerKey }) : reply(200, view);
  },
});

/** Without the members that were left out. */
function defined(
  placement: Partial<Record<'namespace' | 'vault' | 'account', string | undefined>>,
): Partial<Record<'namespace' | 'vault' | 'account', string>> {
  return Object.fromEntries(Object.entries(placement).filter(([, value]) => value !== undefined));
}
