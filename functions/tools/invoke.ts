// Calls a tool with the tenant's own credential. What the provider answers passes through unchanged.
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { toolResource } from '../../shared/policy/question.ts';
import { invokeTool } from '../../shared/tools/invoke.ts';

const Body = z.strictObject({
  toolId: z.string().min(1).max(128),
  integration: z.string().max(40).optional(),
  parameters: z.record(z.string(), z.unknown()),
});

export const invoke = http({
  name: 'tools-invoke',
  route: 'POST /api/v1/tools/invoke',
  summary: 'Calls a tool',
  scopes: ['tools:invoke'],
  body: Body,
  bodyLimit: 10 * 1_048_576,
  policy: ({ body }) => ({ action: 'tool:invoke', resource: toolResource(body.toolId) }),
  quota: 'maxToolCallsPerDay',
  answers: { 200: '*/*' },
  audit: 'tool.invoked',
  handle: async ({ scope, body, exchange }, services) => {
    const { toolId, integration, parameters } = body;
    const timer = exchange.time.bind(exchange);
    const order = { toolId, parameters, ...(integration !== undefined && { integration }) };
    const answer = await invokeTool(services, scope, exchange.cause, exchange.trace.traceparent, timer, order);
    if (answer instanceof Problem) return answer;
    // Node's web streams and the DOM's are the same objects under two type names.
    return { status: answer.status, headers: answer.headers, raw: Readable.toWeb(answer.body) as ReadableStream<Uint8Array> };
  },
});
