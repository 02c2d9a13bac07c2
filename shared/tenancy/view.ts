// A tenant as it is shown.
import * as z from 'zod';
import { Tenant } from './tenant.ts';

export const TenantView = z
  .object({
    id: Tenant.shape.id,
    name: Tenant.shape.name,
    tier: Tenant.shape.tier,
    status: Tenant.shape.status,
    quotas: Tenant.shape.quotas,
    provisioning: Tenant.shape.provisioning,
    createdAt: Tenant.shape.createdAt,
  })
  .meta({ id: 'Tenant' });
export type TenantView = z.infer<typeof TenantView>;

export function viewOfTenant({ id, name, tier, status, quotas, provisioning, createdAt }: Tenant): TenantView {
  return { id, name, tier, status, quotas, provisioning, createdAt };
}
