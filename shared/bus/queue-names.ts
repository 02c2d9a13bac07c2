// Queue names (architecture 3). One function makes them, one reads them back. An agent's segment holds no hyphen, so the last hyphen splits
// the name and two tenants can never name the same queue (H-01).
import { AgentId, TenantId } from '../scope/ids.ts';

/** A queue of a tenant: one of the three fixed ones, or an agent's own. */
export type TenantQueue = 'agents' | 'orchestrator' | 'dlq' | { readonly agent: AgentId };

/** The platform's own queues; no tenant can name one, since `platform` is not a tenant id. */
export type PlatformQueue = 'platform-dispatch' | 'platform-provision';

export function queueName(tenantId: TenantId, queue: TenantQueue): string {
  return `${tenantId}-${typeof queue === 'string' ? queue : queue.agent.replaceAll('-', '_')}`;
}

/** The tenant and queue a name stands for; undefined for any name that `queueName` cannot make. */
export function readQueueName(name: string): { tenantId: TenantId; queue: TenantQueue } | undefined {
  const at = name.lastIndexOf('-');
  const tenant = TenantId.safeParse(name.slice(0, Math.max(at, 0)));
  if (!tenant.success) return undefined;
  const segment = name.slice(at + 1);
  if (segment === 'agents' || segment === 'orchestrator' || segment === 'dlq') return { tenantId: tenant.data, queue: segment };
  const agent = AgentId.safeParse(segment.replaceAll('_', '-'));
  return agent.success ? { tenantId: tenant.data, queue: { agent: agent.data } } : undefined;
}
