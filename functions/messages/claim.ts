// A fresh address of a payload that was too large for its message, for the recipient who reads it late.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { ClaimLink } from '../../shared/messaging/claims.ts';

export const claim = http({
  name: 'messages-claim',
  route: 'GET /api/messages/claims/{messageId}',
  summary: 'Gives a fresh address of a large payload',
  scopes: ['messages:receive'],
  path: z.object({ messageId: z.string().regex(/^[a-z0-9][a-z0-9-]{0,127}$/, 'not a message id') }),
  answers: { 200: ClaimLink },
  audit: 'message.claim_opened',
  secrets: ['url'],
  handle: async ({ scope, identity, path, exchange }, { claims, ledger, policyEngine }) => {
    const found = await claims.link(scope, path.messageId);
    if (!found) return new Problem('not_found');
    const { to, link } = found;
    if (identity.agentId !== undefined && identity.agentId !== to) return new Problem('agent_mismatch');
    const question = { action: 'message:receive', resource: { type: 'Queue', id: to.replaceAll('-', '_') } } as const;
    const refused = await policyEngine.refuse(identity, question, exchange.ip);
    if (refused) return refused;
    ledger.follow(scope, exchange.cause, {
      action: 'message.claim_opened',
      entity: { type: 'message', id: path.messageId },
      new: { expiresAt: link.expiresAt },
    });
    return reply(200, link);
  },
});
