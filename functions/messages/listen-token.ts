// A token to listen at the caller's own queue, for five minutes.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { agentOfQueue } from '../../shared/messaging/agent-queues.ts';
import { queueResource } from '../../shared/policy/question.ts';

const Token = z.object({ endpoint: z.string(), queue: z.string(), token: z.string(), expiresAt: z.iso.datetime() });

export const listenToken = http({
  name: 'messages-listen-token',
  route: 'POST /api/messaging/token',
  summary: 'Gives a listen token for an agent’s own queue',
  scopes: ['messages:receive'],
  body: z.strictObject({ queue: z.string().min(1).max(260) }),
  policy: ({ body }) => ({ action: 'message:receive', resource: queueResource(body.queue) }),
  answers: { 200: Token },
  audit: 'queue.token_issued',
  secrets: ['token'],
  handle: async ({ scope, identity, body, exchange }, { config, queues, registry, ledger }) => {
    const agentId = agentOfQueue(scope, body.queue);
    if (agentId === undefined) return new Problem('not_found', { detail: 'Only the own queue of an agent can be listened at.' });
    if (identity.agentId !== undefined && identity.agentId !== agentId) return new Problem('agent_mismatch');
    if (identity.agentId === undefined)
      return new Problem('agent_mismatch', { detail: 'The token is for the agent itself: use a credential bound to it.' });
    if (!config.directReceive) return new Problem('direct_receive_off');
    const found = await registry.find(scope, agentId);
    if (found?.agent.delivery !== 'pull') return new Problem('agent_not_found');
    const token = await queues.listenToken(scope, agentId);
    if (token instanceof Problem) return token;
    ledger.follow(scope, exchange.cause, {
      action: 'queue.token_issued',
      entity: { type: 'queue', id: body.queue },
      new: { expiresAt: token.expiresAt },
    });
    return reply(200, token);
  },
});
