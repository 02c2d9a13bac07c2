// Whether so much more would be allowed. Takes nothing.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';

const Check = z.object({
  meter: z.string(),
  allowed: z.boolean(),
  limit: z.int(),
  used: z.int(),
  remaining: z.int(),
  resetsAt: z.iso.datetime(),
});

export const check = http({
  name: 'quota-check',
  route: 'POST /api/quota/check',
  summary: 'Checks a quota',
  scopes: ['usage:read'],
  body: z.strictObject({ meter: z.enum(['maxToolCallsPerDay']), amount: z.int().min(1).default(1) }),
  answers: { 200: Check },
  handle: async ({ scope, body }, { quotas }) => {
    const { meter, ...reading } = await quotas.read(scope, body.meter);
    return reply(200, { meter, allowed: body.amount <= reading.remaining, ...reading });
  },
});
