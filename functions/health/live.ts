// Whether this process answers at all.
import * as z from 'zod';
import { version } from '../../shared/config/version.ts';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';

export const live = openHttp({
  name: 'health-live',
  route: 'GET /api/health',
  summary: 'Liveness',
  answers: { 200: z.object({ status: z.literal('ok'), version: z.string() }) },
  handle: () => reply(200, { status: 'ok', version }),
});
