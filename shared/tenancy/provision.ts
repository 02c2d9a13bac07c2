// Makes what an active tenant stands on. Runs on `platform-provision`; every step may be repeated, so a message that comes twice does no harm.
import type { BusAdministration } from '../bus/bus-administration.ts';
import type { DataKeys } from '../credentials/data-keys.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SigningKeys } from '../messaging/signing-keys.ts';
import type { TenantScope } from '../scope/scope.ts';
import { replace } from '../storage/documents.ts';
import type { Vault } from '../vault/vault.ts';
import { provisioningSteps, Tenants, tenantRecord } from './tenant.ts';

interface Services {
  readonly vault: Vault;
  readonly dataKeys: DataKeys;
  readonly signingKeys: SigningKeys;
  readonly busAdministration: BusAdministration;
  readonly ledger: Ledger;
}

/** Brings a tenant from `provisioning` to `active`. Throws what a dependency throws; the message then comes again. */
export async function provisionTenant(services: Services, scope: TenantScope, cause: Cause): Promise<void> {
  const { vault, dataKeys, signingKeys, busAdministration, ledger } = services;
  await Promise.all([
    vault.ensureTenantKey(scope).then(() => dataKeys.ensure(scope)),
    signingKeys.ensure(scope),
    // Dead letters are forwarded, so the queue they go to comes first.
    busAdministration
      .ensureQueue(scope, 'dlq')
      .then(() => Promise.all([busAdministration.ensureQueue(scope, 'agents'), busAdministration.ensureQueue(scope, 'orchestrator')])),
  ]);
  await ledger.commit(scope, cause, async (partition) => {
    const tenant = await partition.read(Tenants, tenantRecord);
    if (tenant?.body.status !== 'provisioning') return new Problem('not_found');
    const provisioning = provisioningSteps.map((step) => ({ step, state: 'done' as const }));
    return {
      changes: [replace(Tenants, tenant, { ...tenant.body, status: 'active', provisioning })],
      event: { action: 'tenant.provisioned', entity: { type: 'tenant', id: scope.tenantId } },
      result: undefined,
    };
  });
}
