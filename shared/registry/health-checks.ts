// Asking agents whether they are well, at the address they gave: a GET through the guarded door, of whose answer only the status is looked at. It changes what is
// shown of an agent and nothing else: whether it runs is said by its lease alone.
import { iso } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Outbound, OutboundAnswer } from '../outbound/outbound.ts';
import type { AgentId } from '../scope/ids.ts';
import { type TenantScope, tenantOf } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import type { TenantRecords } from '../tenancy/tenant.ts';
import { isRunning } from './agent.ts';
import type { Health, HealthChain, HealthTurn } from './health-chain.ts';
import type { Registry } from './registry.ts';

const timeoutMs = 5_000;
const shortestMs = 30_000;
/** At once, in one process: a tenant whose addresses never answer delays nobody's messages and no other tenant's checks. A turn without room is left out. */
const mostOfTenant = 4;
const most = 256;

interface Services {
  readonly registry: Registry;
  readonly chain: HealthChain;
  readonly records: TenantRecords;
  readonly outbound: Outbound;
  readonly ledger: Ledger;
}

export class HealthChecks {
  readonly #services: Services;
  readonly #running = new Map<Promise<void>, string>();

  constructor(services: Services) {
    this.#services = services;
  }

  /** Handles a message of a chain. The check itself goes on after this has resolved. */
  async run(scope: TenantScope, cause: Cause, turn: HealthTurn): Promise<void> {
    const { registry, chain, records } = this.#services;
    let address: string | undefined;
    const taken = await chain.take(scope, turn, async () => {
      const [found, tenant] = await Promise.all([registry.find(scope, turn.agentId), records.of(scope)]);
      address = found?.agent.healthCheckUrl;
      if (!found || address === undefined) return null;
      if (tenant?.status !== 'active' || !isRunning(found.agent)) return undefined;
      return Math.max(shortestMs, found.agent.ttlSeconds * 500);
    });
    if (!taken || address === undefined) return;
    const url = new URL(address);
    const { tenantId } = scope;
    if (this.#running.size >= most || [...this.#running.values()].filter((each) => each === tenantId).length >= mostOfTenant) {
      await chain.note(scope, turn.agentId, taken, undefined);
      return;
    }
    const check = this.#check(url).then(async (health) => {
      if (health.status !== taken.health.status) await this.#tell(scope, cause, turn.agentId, taken.health, health);
      await chain.note(scope, turn.agentId, taken, health);
    });
    const done = check
      .catch((error: unknown) => {
        if (!(error instanceof DependencyError)) throw error;
        log.warn('a health check could not be noted', tenantId, { agentId: turn.agentId, dependency: error.dependency });
      })
      .finally(() => this.#running.delete(done));
    this.#running.set(done, tenantOf(scope));
  }

  /** Waits for the checks that are under way. */
  async flush(): Promise<void> {
    await Promise.all(this.#running.keys());
  }

  #tell(scope: TenantScope, cause: Cause, agentId: AgentId, before: Health, after: Health): Promise<void> {
    return this.#services.ledger.append(scope, cause, {
      action: 'agent.health_changed',
      entity: { type: 'agent', id: agentId },
      old: { status: before.status },
      new: { status: after.status, ...(after.detail !== undefined && { detail: after.detail }) },
    });
  }

  async #check(url: URL): Promise<Health> {
    const request = { method: 'GET', url, headers: { accept: '*/*', 'user-agent': 'flowgrid' }, timeoutMs } as const;
    const answer = await this.#services.outbound.send(request, AbortSignal.timeout(timeoutMs));
    // Its body is nobody's business; destroying it says so by an error nobody else listens for.
    if (answer.kind === 'answer') answer.body.on('error', () => undefined).destroy();
    const detail = faultOf(answer);
    return { status: detail === undefined ? 'healthy' : 'unhealthy', checkedAt: iso(), ...(detail !== undefined && { detail }) };
  }
}

function faultOf(answer: OutboundAnswer): string | undefined {
  switch (answer.kind) {
    case 'answer':
      return answer.status >= 200 && answer.status < 300 ? undefined : `answered ${answer.status}`;
    case 'blocked':
      return 'not an address that may be called';
    case 'timeout':
      return `no answer within ${timeoutMs / 1_000} s`;
    case 'unreachable':
      return 'not reachable';
  }
}
