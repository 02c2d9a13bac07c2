// Puts a new messaging key in the place of the one in force, which goes on signing for a while and verifying for a day longer.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { KeyState } from '../../shared/messaging/key-rotation.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const rotateKeys = http({
  name: 'messages-rotate-keys',
  route: 'POST /tenants/{tenantId}/messaging/rotate',
  summary: 'Puts a new messaging key in the place of the one in force',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId }),
  body: z.strictObject({ overlapSeconds: z.int().min(0).max(86_400).default(3_600) }).prefault({}),
  answers: { 200: KeyState },
  audit: 'messaging_key.rotated',
  handle: async ({ scope, body, exchange }, { keyRotation }) => {
    const state = await keyRotation.rotate(scope, exchange.cause, body.overlapSeconds);
    return state instanceof Problem ? state : reply(200, state);
  },
});
