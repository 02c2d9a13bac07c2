// Deletes a message that could not be delivered.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';

export const deleteDeadLetter = http({
  name: 'messages-delete-dead-letter',
  route: 'DELETE /api/messages/dead-letters/{messageId}',
  summary: 'Deletes a dead letter',
  scopes: ['messages:manage'],
  path: z.object({ messageId: z.string().min(1).max(128) }),
  answers: { 204: undefined },
  audit: 'message.deleted',
  handle: async ({ scope, path, exchange }, { deadLetters }) =>
    (await deadLetters.remove(scope, exchange.cause, path.messageId)) ?? nothing,
});
