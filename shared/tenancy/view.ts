// A tenant as it is shown.
import * as z from 'zod';
import { FlagName, Settings, Tenant } from './tenant.ts';

export const TenantView = z
  .object({
    id: Tenant.shape.id,
    name: Tenant.shape.name,
    tier: Tenant.shape.tier,
    status: z.enum([...Tenant.shape.status.options, 'erased']),
    quotas: Tenant.shape.quotas,
    settings: Settings,
    flags: z.record(FlagName, z.boolean()).meta({ description: 'Those in force: the deployment’s with the tenant’s exceptions' }),
    provisioning: Tenant.shape.provisioning,
    createdAt: Tenant.shape.createdAt,
  })
  .meta({ id: 'Tenant' });
export type TenantView = z.infer<typeof TenantView>;

/** `flags` are the deployment's. */
export function viewOfTenant(tenant: Tenant, flags: Readonly<Record<string, boolean>>): TenantView {
  const { id, name, tier, status, quotas, settings, provisioning, createdAt } = tenant;
  return { id, name, tier, status, quotas, settings, flags: { ...flags, ...tenant.flags }, provisioning, createdAt };
}
