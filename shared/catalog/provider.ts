// What a provider of the catalogue is: data, no code. One file a provider, checked when it is loaded.
import * as z from 'zod';
import { IntegrationId } from '../scope/ids.ts';

const JsonSchema = z.looseObject({ type: z.literal('object') });

export const Tool = z.strictObject({
  /** `{integration}.{tool}` is the tool's id. */
  name: z.string().regex(/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/),
  title: z.string(),
  description: z.string(),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  /** Relative to the base URL; `{name}` takes the parameter of that name. */
  path: z.string().startsWith('/'),
  /** What is left after the path goes here. */
  rest: z.enum(['body', 'query']),
  readOnly: z.boolean(),
  parameters: JsonSchema,
  timeoutMs: z.int().max(120_000).default(30_000),
});
export type Tool = z.infer<typeof Tool>;

export const Provider = z.strictObject({
  id: IntegrationId,
  title: z.string(),
  category: z.string(),
  /** Where the facts in this file were read, and when. */
  documentation: z.strictObject({ url: z.url(), read: z.iso.date() }),
  baseUrl: z.url({ protocol: /^https$/ }),
  /** How the credential is shown to the provider. */
  auth: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('bearer') })]),
  /** Sent with every call. */
  headers: z.record(z.string(), z.string()).default({}),
  /** The header of an answer that bears the provider's own request id. */
  requestIdHeader: z.string().optional(),
  tools: z.array(Tool).min(4),
});
export type Provider = z.infer<typeof Provider>;
