// Agents in the test's own process, each with the environment that FlowGrid makes for it.
import { Agent, type AgentOptions, type Envelope } from '../../agent/agent.ts';
import { cardOf, type TestTenant } from '../flowgrid.ts';
import type { Asker } from '../functions/asker.ts';

export interface Running {
  readonly agent: Agent;
  readonly environment: Record<string, string>;
  readonly problems: string[];
}

export class Agents {
  readonly #tenant: TestTenant;
  readonly #owner: Asker;
  readonly #started: Agent[] = [];

  constructor(tenant: TestTenant, owner: Asker) {
    this.#tenant = tenant;
    this.#owner = owner;
  }

  environmentOf(agentId: string): Promise<Record<string, string>> {
    return this.#owner.post<Record<string, string>>(`/tenants/${this.#tenant.id}/agents/${agentId}/environment`);
  }

  /** Made, and not started. `environment` is a new one unless given. */
  async make(agentId: string, options: Partial<AgentOptions> = {}, environment?: Record<string, string>): Promise<Running> {
    const own = environment ?? (await this.environmentOf(agentId));
    const problems: string[] = [];
    const agent = new Agent({ card: cardOf(agentId, [{ id: agentId }]), onProblem: (problem) => problems.push(problem), ...options }, own);
    this.#started.push(agent);
    return { agent, environment: own, problems };
  }

  async start(
    agentId: string,
    handlers: Record<string, (envelope: Envelope, agent: Agent) => Promise<void> | void> = {},
    options: Partial<AgentOptions> = {},
  ): Promise<Running> {
    const running = await this.make(agentId, options);
    for (const [messageType, handler] of Object.entries(handlers)) running.agent.on(messageType, handler);
    await running.agent.start();
    return running;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((agent) => agent.stop()));
  }
}
