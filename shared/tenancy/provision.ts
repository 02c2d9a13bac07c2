// Makes what an active tenant stands on, step by step. Each step is recorded when it is done and may be repeated, so a run that is cut short
// anywhere goes on where it was.
import type { BusAdministration } from '../bus/bus-administration.ts';
import type { DataKeys } from '../credentials/data-keys.ts';
import { Problem } from '../errors/problem.ts';
import type { TokenKeys } from '../identity/token-keys.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SigningKeys } from '../messaging/signing-keys.ts';
import type { TenantScope } from '../scope/scope.ts';
import { replace } from '../storage/documents.ts';
import type { Vault } from '../vault/vault.ts';
import { changeable, isProvisioned, type ProvisioningStep, type Tenant, Tenants, tenantRecord } from './tenant.ts';

export interface ProvisioningServices {
  readonly vault: Vault;
  readonly dataKeys: DataKeys;
  readonly signingKeys: SigningKeys;
  readonly tokenKeys: TokenKeys;
  readonly busAdministration: BusAdministration;
  readonly ledger: Ledger;
}

const make: Readonly<Record<ProvisioningStep, (services: ProvisioningServices, scope: TenantScope) => Promise<void>>> = {
  key: async ({ vault, tokenKeys }, scope) => {
    // The platform's own is there already but for the first tenant.
    await Promise.all([vault.ensureTenantKey(scope), tokenKeys.ensure()]);
  },
  'data-key': ({ dataKeys }, scope) => dataKeys.ensure(scope),
  'messaging-secret': ({ signingKeys }, scope) => signingKeys.ensure(scope),
  queues: async ({ busAdministration }, scope) => {
    // Dead letters are forwarded, so the queue they go to comes first.
    await busAdministration.ensureQueue(scope, 'dlq');
    await Promise.all([busAdministration.ensureQueue(scope, 'agents'), busAdministration.ensureQueue(scope, 'orchestrator')]);
  },
};

/**
 * Does the steps that are pending. With the last one a tenant that was `provisioning` is `active`; one that was suspended meanwhile stays so.
 * Throws what a dependency throws; the message then comes again.
 */
export async function provisionTenant(services: ProvisioningServices, scope: TenantScope, cause: Cause, tenant: Tenant): Promise<void> {
  for (const { step, state } of tenant.provisioning) {
    if (state === 'done') continue;
    await make[step](services, scope);
    await services.ledger.commit(scope, cause, async (partition) => {
      const stored = changeable(await partition.read(Tenants, tenantRecord));
      if (stored instanceof Problem) return stored;
      const provisioning = stored.body.provisioning.map((each) => (each.step === step ? { step, state: 'done' as const } : each));
      const next = { ...stored.body, provisioning };
      const isLast = isProvisioned(next);
      return {
        changes: [replace(Tenants, stored, isLast && next.status === 'provisioning' ? { ...next, status: 'active' } : next)],
        event: {
          action: isLast ? 'tenant.provisioned' : 'tenant.step_provisioned',
          entity: { type: 'tenant', id: scope.tenantId },
          new: { step },
        },
        result: undefined,
      };
    });
  }
}
