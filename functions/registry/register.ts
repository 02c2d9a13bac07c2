// An agent registers itself, or renews its lease.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { faultsOf } from '../../shared/context/steps/validate.ts';
import { Problem } from '../../shared/errors/problem.ts';
import type { VerificationKey } from '../../shared/messaging/signature.ts';
import type { RecipientKeys } from '../../shared/messaging/signing-keys.ts';
import { readCard } from '../../shared/registry/card/card.ts';
import { AgentId } from '../../shared/scope/ids.ts';

const address = z.url({ protocol: /^https?$/ }).max(2_048);

const Body = z
  .strictObject({
    card: z.record(z.string(), z.unknown()),
    endpoint: address.optional(),
    delivery: z.enum(['pull', 'push']).default('pull'),
    dedicatedQueue: z.boolean().default(false),
    healthCheckUrl: address.optional(),
    ttlSeconds: z.int().min(10).max(3_600).default(60),
    metadata: z.record(z.string().max(128), z.unknown()).default({}),
  })
  .refine(({ delivery, endpoint }) => delivery === 'pull' || endpoint !== undefined, {
    path: ['endpoint'],
    message: 'needed for delivery "push"',
  });

const Registered = z.object({
  agentId: AgentId,
  status: z.literal('running'),
  delivery: z.enum(['pull', 'push']),
  lease: z.object({ ttlSeconds: z.int(), expiresAt: z.iso.datetime() }),
  queue: z.object({ name: z.string(), state: z.enum(['ready', 'creating']) }),
  signing: z.object({
    keyId: z.string(),
    algorithm: z.literal('HMAC-SHA256'),
    key: z.string().optional(),
    previous: z.object({ keyId: z.string(), key: z.string().optional(), verifiesUntil: z.iso.datetime() }).optional(),
    next: z.object({ keyId: z.string(), key: z.string().optional(), signsFrom: z.iso.datetime() }).optional(),
  }),
});

export const register = http({
  name: 'registry-register',
  route: 'POST /api/registry/agents/{id}/register',
  summary: 'Registers an agent',
  scopes: ['agents:register'],
  path: z.object({ id: AgentId }),
  body: Body,
  policy: ({ path }) => ({ action: 'agent:register', resource: { type: 'Agent', id: path.id } }),
  answers: { 201: Registered, 200: Registered },
  audit: 'agent.registered',
  refusal: { action: 'registration_failed', entity: 'agent', parameter: 'id' },
  secrets: ['signing.key', 'signing.previous.key', 'signing.next.key'],
  handle: async ({ scope, identity, path, body, exchange }, { config, registry, signingKeys, cardSignatures }) => {
    if (identity.agentId !== undefined && identity.agentId !== path.id) return new Problem('agent_mismatch');
    if (body.delivery === 'pull' && !config.directReceive)
      return new Problem('validation_failed', {
        errors: [{ pointer: '/delivery', message: 'agents are pushed to here: register with "push"' }],
      });
    const card = readCard(body.card);
    if ('errors' in card) return new Problem('validation_failed', { errors: faultsOf(card.errors, '/card') });
    const signatures = await cardSignatures.check(scope, card);
    if (signatures instanceof Problem) return signatures;
    const keys = await signingKeys.forRecipient(scope, path.id);
    if (!keys) return new Problem('dependency_unavailable', { detail: 'The tenant is still being made.', headers: { 'Retry-After': '1' } });

    const { endpoint, healthCheckUrl, ...rest } = body;
    const registered = await registry.register(scope, exchange.cause, path.id, {
      ...rest,
      card,
      signatures,
      ...(endpoint !== undefined && { endpoint }),
      ...(healthCheckUrl !== undefined && { healthCheckUrl }),
    });
    if (registered instanceof Problem) return registered;
    const { agentId, delivery, lease } = registered.view;
    return reply(registered.isNew ? 201 : 200, {
      agentId,
      status: 'running',
      delivery,
      lease,
      queue: registered.queue,
      signing: shown(keys, identity.agentId === path.id),
    });
  },
});

/** The keys open this agent's messages: they are for the agent itself. */
function shown({ signing, previous, next }: RecipientKeys, isAgentItself: boolean): z.infer<typeof Registered>['signing'] {
  const view = <Key extends VerificationKey>({ key, ...rest }: Key) => ({
    ...rest,
    ...(isAgentItself && { key: key.toString('base64url') }),
  });
  return { ...view(signing), algorithm: 'HMAC-SHA256', ...(previous && { previous: view(previous) }), ...(next && { next: view(next) }) };
}
