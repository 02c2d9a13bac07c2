// Which messaging keys are in force, by their ids.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { KeyState } from '../../shared/messaging/key-rotation.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const showKeys = http({
  name: 'messages-show-keys',
  route: 'GET /tenants/{tenantId}/messaging/rotate',
  summary: 'Shows which messaging keys are in force',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: KeyState },
  handle: async ({ scope }, { keyRotation }) => {
    const state = await keyRotation.state(scope);
    return state instanceof Problem ? state : reply(200, state);
  },
});
