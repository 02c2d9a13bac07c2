// What an agent is started with (seed 001, Agent Runtime Context). A bad tenant context is refused with everything that is wrong with it.
import * as z from 'zod';
import type { VerificationKey } from '../shared/messaging/signature.ts';

const text = z.string('is not set');

const Settings = z.object({
  FLOWGRID_TENANT_ID: text.regex(/^[a-z][a-z0-9-]{2,39}$/, 'not a tenant id'),
  FLOWGRID_TENANT_SECRET: text.regex(/^[a-z0-9]{1,16}\.[\w-]{43}$/, 'not `{keyId}.{base64url key}`'),
  AGENT_ID: text.regex(/^[a-z0-9][a-z0-9-]{1,63}$/, 'not an agent id'),
  AGENT_NAME: text.min(1, 'is empty'),
  FLOWGRID_REGISTRY_URL: text.pipe(z.url({ protocol: /^https?$/, error: 'not an http or https URL' })),
  FLOWGRID_API_TOKEN: text.min(1, 'is empty'),
  SERVICEBUS_QUEUE_NAME: text.min(1, 'is empty'),
  SERVICEBUS_DEDICATED_QUEUE: text.min(1, 'is empty'),
  SERVICEBUS_CONNECTION_STRING: z
    .string()
    .regex(/(^|;)Endpoint=sb:\/\//i, 'no connection string of Service Bus')
    .optional(),
});

export interface AgentEnvironment {
  readonly tenantId: string;
  readonly agentId: string;
  readonly agentName: string;
  /** Opens messages to this agent and signs none (H-04). */
  readonly verificationKey: VerificationKey;
  readonly registryUrl: string;
  readonly apiToken: string;
  /** The agent's own queue. */
  readonly queue: string;
  /** Where somebody else sees to the right to listen. Without it the agent fetches its tokens, and renews them. */
  readonly connectionString?: string;
}

/** Thrown by `readEnvironment`; `problems` names the variables, never their values. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The agent cannot start:\n  - ${problems.join('\n  - ')}`);
    this.problems = problems;
  }
}

export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): AgentEnvironment {
  const parsed = Settings.safeParse(environment);
  if (!parsed.success) throw new EnvironmentError(parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`));
  const settings = parsed.data;
  const { FLOWGRID_TENANT_ID: tenantId, AGENT_ID: agentId, SERVICEBUS_DEDICATED_QUEUE: queue } = settings;
  if (queue !== `${tenantId}-${agentId.replaceAll('-', '_')}`)
    throw new EnvironmentError(['SERVICEBUS_DEDICATED_QUEUE: not the queue of this agent of this tenant']);
  const [keyId = '', key = ''] = settings.FLOWGRID_TENANT_SECRET.split('.');
  return {
    tenantId,
    agentId,
    agentName: settings.AGENT_NAME,
    verificationKey: { keyId, key: Buffer.from(key, 'base64url') },
    registryUrl: settings.FLOWGRID_REGISTRY_URL.replace(/\/+$/, ''),
    apiToken: settings.FLOWGRID_API_TOKEN,
    queue,
    ...(settings.SERVICEBUS_CONNECTION_STRING !== undefined && { connectionString: settings.SERVICEBUS_CONNECTION_STRING }),
  };
}
