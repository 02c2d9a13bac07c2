// The demo tenants' agents, all in one process: the examples of agent/, each with the environment that FlowGrid made for it.

import { type Agent, ControlPlaneError } from '../agent/agent.ts';
import { incidentAgent } from '../agent/examples/incident-agent.ts';
import { knowledgeAgent } from '../agent/examples/knowledge-agent.ts';
import { onOrders, reportReady } from './start/orders.ts';

interface Orders {
  /** What FlowGrid answered for each (`POST /tenants/{tenantId}/agents/{agentId}/environment`). */
  readonly environments: readonly Readonly<Record<string, string>>[];
}

const examples = { 'incident-agent': incidentAgent, 'knowledge-agent': knowledgeAgent };

onOrders<Orders>(async ({ environments }) => {
  const agents = environments.map((environment) => {
    const make = Object.entries(examples).find(([agentId]) => agentId === environment['AGENT_ID'])?.[1];
    if (!make) throw new Error(`there is no example ${environment['AGENT_ID']}`);
    return make(environment, () => undefined);
  });
  await Promise.all(agents.map(start));
  reportReady({});
  return async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
  };
});

/** Whoever made the agent's environment anew has taken its place, which is theirs to do. */
async function start(agent: Agent): Promise<void> {
  await agent.start().catch((error: unknown) => {
    if (!(error instanceof ControlPlaneError && error.status === 401)) throw error;
    const { tenantId, agentId } = agent.environment;
    console.error(`The demo agent ${agentId} of ${tenantId} does not run: its key is not in force any more.`);
  });
}
