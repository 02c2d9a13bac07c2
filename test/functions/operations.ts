// The operations of an OpenAPI document, as far as ours uses one. Knows nothing of any test runner.
import * as z from 'zod';

const Content = z.record(z.string(), z.strictObject({ schema: z.record(z.string(), z.unknown()).optional() }));

const Operation = z.object({
  operationId: z.string().regex(/^[a-z-]+$/),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z
    .array(
      z.object({
        in: z.enum(['path', 'query', 'header']),
        name: z.string(),
        required: z.boolean().optional(),
        schema: z.record(z.string(), z.unknown()),
      }),
    )
    .optional(),
  requestBody: z.object({ required: z.boolean().optional(), content: Content }).optional(),
  responses: z.record(z.string().regex(/^([1-5]\d\d|default)$/), z.object({ description: z.string().min(1), content: Content.optional() })),
});

/** What OpenAPI 3.1 asks of a document, as far as ours uses it. */
export const Document = z.object({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.object({ title: z.string(), version: z.string() }),
  servers: z.array(z.object({ url: z.url() })),
  paths: z.record(z.string().startsWith('/'), z.partialRecord(z.enum(['get', 'put', 'post', 'delete', 'patch']), Operation)),
  components: z.object({
    schemas: z.record(z.string(), z.record(z.string(), z.unknown())),
    securitySchemes: z.record(z.string(), z.unknown()),
  }),
});
export type Document = z.infer<typeof Document>;

export interface Row {
  readonly path: string;
  readonly method: string;
  readonly operation: z.infer<typeof Operation>;
}

/** Every operation of the document. */
export function rowsOf({ paths }: Document): Row[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}
