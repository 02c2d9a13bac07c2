// A suspended tenant does nothing, and one that is being erased is gone. The platform may still act on them.
import type { Services } from '../../compose.ts';
import { Problem } from '../../errors/problem.ts';
import { unauthenticated } from '../../identity/auth-failures.ts';
import type { HttpExchange } from '../exchange.ts';

export async function tenantActive(exchange: HttpExchange, { tenantRecords }: Services): Promise<Problem | undefined> {
  const { caller } = exchange;
  if (caller?.kind !== 'tenant') return undefined;
  const tenant = await exchange.time('auth', () => tenantRecords.of(caller.scope));
  if (!tenant || tenant.status === 'erasing') return unauthenticated;
  return tenant.status === 'suspended' ? new Problem('tenant_suspended') : undefined;
}
