// The environment an agent runs with (seed 001, Agent Runtime Context), and the key in it.
import { queueName } from '../bus/queue-names.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors/problem.ts';
import { ApiKeys, newApiKey } from '../identity/api-keys.ts';
import type { KeyHistory } from '../identity/key-history.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SigningKeys } from '../messaging/signing-keys.ts';
import type { AgentId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';
import { remove } from '../storage/documents.ts';
import { Agents } from './agent.ts';

interface Services {
  readonly config: Config;
  readonly ledger: Ledger;
  readonly signingKeys: SigningKeys;
  readonly keyHistory: KeyHistory;
}

export class AgentEnvironments {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Makes the agent's key, taking the one made here before it out of force, and answers everything the agent needs. The agent need not be
   * registered yet. Keys that were made for the agent in another way are let be.
   */
  async make(scope: TenantScope, cause: Cause, agentId: AgentId): Promise<Record<string, string> | Problem> {
    const { config, ledger, signingKeys, keyHistory } = this.#services;
    const { tenantId } = scope;
    const signing = await signingKeys.of(scope, agentId);
    if (!signing)
      return new Problem('dependency_unavailable', { detail: 'The tenant is still being made.', headers: { 'Retry-After': '1' } });
    const made = await ledger.commit(scope, cause, async (partition) => {
      const [keys, agent] = await Promise.all([partition.list(ApiKeys), partition.read(Agents, agentId)]);
      const former = keys.filter(({ body }) => body.environment && body.agentId === agentId);
      const order = { name: `agent ${agentId}`, role: 'agent', agentId, createdBy: cause.actor.id, environment: true } as const;
      const { keyId, text, change } = newApiKey(tenantId, order);
      return {
        changes: [change, ...former.map(({ name }) => remove(ApiKeys, name))],
        event: {
          action: former.length > 0 ? 'key.rotated' : 'key.created',
          entity: { type: 'key', id: keyId },
          old: { keyIds: former.map(({ name }) => name) },
          new: { agentId, role: 'agent' },
        },
        result: { text, agentName: agent?.body.card['name'], former: former.map(({ name }) => name) },
      };
    });
    if (made instanceof Problem) return made;
    await keyHistory.ended(scope, made.former, 'rotated');
    return {
      FLOWGRID_TENANT_ID: tenantId,
      FLOWGRID_TENANT_SECRET: `${signing.keyId}.${signing.key.toString('base64url')}`,
      AGENT_ID: agentId,
      AGENT_NAME: typeof made.agentName === 'string' ? made.agentName : agentId,
      FLOWGRID_REGISTRY_URL: config.baseUrl,
      FLOWGRID_API_TOKEN: made.text,
      SERVICEBUS_QUEUE_NAME: queueName(tenantId, 'agents'),
      SERVICEBUS_DEDICATED_QUEUE: queueName(tenantId, { agent: agentId }),
    };
  }
}
