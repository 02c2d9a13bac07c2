// Why something would be allowed or not, and what would allow it.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { explain as explainDecision } from '../../shared/policy/explain.ts';
import { readAction, readPrincipal, readResource } from '../../shared/policy/notation.ts';
import { askedFrom, readAddress } from '../../shared/policy/question.ts';
import { actionEntry, actionNames } from '../../shared/policy/schema.ts';
import { findStanding, isSame, standingOf } from '../../shared/policy/standing.ts';

/** A text in Cedar's notation; what it stands for goes on. */
function inCedar<Read>(read: (text: string) => Read | undefined, expected: string) {
  return z
    .string()
    .max(512)
    .transform((text, context) => {
      const found = read(text);
      if (found !== undefined) return found;
      context.addIssue({ code: 'custom', message: `expected ${expected}` });
      return z.NEVER;
    });
}

const Body = z.strictObject({
  principal: inCedar(readPrincipal, 'Agent::"id", User::"subject" or Key::"keyId"').optional(),
  action: inCedar(readAction, `one of ${actionNames.map((name) => `"${name}"`).join(', ')}`),
  resource: inCedar(readResource, 'Tool::"integration.tool", Integration::"name", Agent::"id" or Queue::"name"'),
  context: z
    .strictObject({ ip: inCedar(readAddress, 'an IP address').optional(), messageType: z.string().max(128).optional() })
    .default({}),
});

const Explanation = z.object({
  decision: z.enum(['allow', 'deny']),
  step: z.enum(['identity', 'scopes', 'policy']),
  reasons: z.array(z.object({ policy: z.string().optional(), text: z.string() })),
  missing: z.array(z.string()),
  inputs: z
    .object({
      principal: z.string(),
      in: z.array(z.string()),
      scopes: z.array(z.string()).nullable(),
      action: z.string(),
      resource: z.string(),
      context: z.record(z.string(), z.string()),
      source: z.string(),
    })
    .optional(),
});

export const explain = http({
  name: 'policy-explain',
  route: 'POST /api/policy/explain',
  summary: 'Explains a decision',
  scopes: ['policy:read'],
  body: Body,
  answers: { 200: Explanation },
  handle: async ({ scope, identity, body, exchange }, { policyEngine, store }) => {
    const { principal, action, resource, context } = body;
    const own = standingOf(identity);
    const isOwn = principal === undefined || isSame(principal, own.principal);
    const standing = isOwn ? own : await findStanding(store, scope, principal, actionEntry(action).scopes);
    const given: [string, string][] = Object.entries(context).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    const question = { action, resource, context: Object.fromEntries(given) };
    const asked = isOwn && context.ip === undefined ? askedFrom(question, exchange.ip) : question;
    return reply(200, await explainDecision(policyEngine, scope, standing, asked));
  },
});
