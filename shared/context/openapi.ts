// The OpenAPI 3.1 document: every contract as an operation, every schema as it validates.
import * as z from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiPathsObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { version } from '../config/version.ts';
import { type Access, type AnswerShape, contracts, type HttpContract, methodOf, pathOf } from './contract.ts';

const ProblemBody = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    requestId: z.string(),
    errors: z
      .array(
        z.union([
          z.object({ pointer: z.string(), message: z.string() }),
          z.object({ line: z.int(), column: z.int(), message: z.string() }),
        ]),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details; `/problems/{code}` explains each code' });

const KeyHeader = z.object({
  'Idempotency-Key': z.string().optional().meta({
    description: '1–255 visible characters. The same call again within 24 hours is given the first answer, without what is shown once.',
  }),
});

let document: Promise<object> | undefined;

/** Made at the first request, since no function is registered later than that. */
export function openApiDocument(baseUrl: string): Promise<object> {
  document ??= build(baseUrl);
  return document;
}

async function build(baseUrl: string): Promise<object> {
  const { createDocument } = await import('zod-openapi');
  const paths: ZodOpenApiPathsObject = {};
  for (const contract of contracts) {
    const path = pathOf(contract);
    paths[path] = { ...paths[path], [methodOf(contract).toLowerCase()]: operation(contract) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: { title: 'FlowGrid', version, description: 'The control plane for multi-tenant AI agents.' },
    servers: [{ url: baseUrl }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    paths,
  });
}

function operation(contract: HttpContract): ZodOpenApiOperationObject {
  const { name, summary, access, path, query, body, answers, accepts } = contract;
  const needed = scopesOf(access);
  const isKeyed = methodOf(contract) === 'POST' && access.kind !== 'anyone' && contract.replays !== false;
  const parameters = { ...(isObject(path) && { path }), ...(isObject(query) && { query }), ...(isKeyed && { header: KeyHeader }) };
  return {
    operationId: name,
    summary,
    tags: [name.slice(0, name.includes('-') ? name.indexOf('-') : undefined)],
    security: access.kind === 'anyone' ? [] : [{ bearer: [] }, { apiKey: [] }],
    ...(needed && { description: needed }),
    ...(Object.keys(parameters).length > 0 && { requestParams: parameters }),
    ...(body && { requestBody: { required: !body.safeParse(undefined).success, content: bodyContent(accepts ?? 'json', body) } }),
    responses: responses(answers, summary, contract.secrets),
  };
}

function bodyContent(accepts: 'json' | 'form' | 'text', schema: z.ZodType): Record<string, { schema: z.ZodType }> {
  if (accepts === 'text') return { 'text/plain': { schema } };
  return { 'application/json': { schema }, ...(accepts === 'form' && { 'application/x-www-form-urlencoded': { schema } }) };
}

function responses(answers: HttpContract['answers'], summary: string, secrets: readonly string[] = []): ZodOpenApiResponsesObject {
  const all: ZodOpenApiResponsesObject = {
    default: { description: 'A problem', content: { 'application/problem+json': { schema: ProblemBody } } },
  };
  // The keys of `answers` are statuses: its type says so.
  for (const [status, shape] of Object.entries(answers))
    all[status as `${1 | 2 | 3 | 4 | 5}${string}`] = { description: summary, ...content(withOptional(shape, secrets)) };
  return all;
}

/** What is shown once is missing where an Idempotency-Key gives the answer again: a client must not count on it. */
function withOptional<Shape extends AnswerShape>(shape: Shape, secrets: readonly string[]): Shape | z.ZodType {
  if (!(shape instanceof z.ZodObject) || secrets.length === 0) return shape;
  const members = Object.entries<z.ZodType>(shape.shape).map(([name, member]) => {
    const inside = secrets.flatMap((path) => (path.startsWith(`${name}.`) ? [path, path.slice(name.length + 1)] : path));
    const loosened = withOptional(member, inside);
    return [name, secrets.includes(name) ? loosened.optional() : loosened];
  });
  return z.object(Object.fromEntries(members));
}

function content(shape: AnswerShape): object {
  if (shape === undefined) return {};
  return { content: typeof shape === 'string' ? { [shape]: {} } : { 'application/json': { schema: shape } } };
}

function scopesOf(access: Access): string | undefined {
  if (access.kind === 'anyone') return undefined;
  const scopes = access.kind === 'either' ? [...access.scopes, ...access.platformScopes] : access.scopes;
  return scopes.length > 0
    ? `Scope: ${scopes.map((scope) => `\`${scope}\``).join(access.kind === 'either' ? ' or ' : ' ')}`
    : 'Any credential';
}

function isObject(schema: z.ZodType | undefined): schema is z.ZodObject {
  return schema instanceof z.ZodObject;
}
