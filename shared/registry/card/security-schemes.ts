// How agents are opened to callers, as cards of each version say it (protocols.md 1.3). Unknown members pass.
import * as z from 'zod';

const description = z.string().optional();
const scopes = z.record(z.string(), z.string());

const flows = z.looseObject({
  authorizationCode: z
    .looseObject({ authorizationUrl: z.string(), tokenUrl: z.string(), refreshUrl: z.string().optional(), scopes })
    .optional(),
  clientCredentials: z.looseObject({ tokenUrl: z.string(), refreshUrl: z.string().optional(), scopes }).optional(),
  implicit: z.looseObject({ authorizationUrl: z.string(), refreshUrl: z.string().optional(), scopes }).optional(),
  password: z.looseObject({ tokenUrl: z.string(), refreshUrl: z.string().optional(), scopes }).optional(),
});

const apiKey = z.looseObject({ type: z.literal('apiKey'), in: z.enum(['cookie', 'header', 'query']), name: z.string(), description });
const http = z.looseObject({ type: z.literal('http'), scheme: z.string(), bearerFormat: z.string().optional(), description });
const oauth2 = z.looseObject({ type: z.literal('oauth2'), flows, description });
const openIdConnect = z.looseObject({ type: z.literal('openIdConnect'), openIdConnectUrl: z.string(), description });
const mutualTls = z.looseObject({ type: z.literal('mutualTLS'), description });

export const SchemeV02 = z.discriminatedUnion('type', [apiKey, http, oauth2, openIdConnect]);

export const SchemeV03 = z.discriminatedUnion('type', [
  apiKey,
  http,
  oauth2.extend({ oauth2MetadataUrl: z.string().optional() }),
  openIdConnect,
  mutualTls,
]);

/** At most one of these members may be there: a `oneof` of the protocol buffers that 1.0 is defined in. */
function oneof(names: readonly string[]) {
  return [
    (value: object) => names.filter((name) => Object.hasOwn(value, name)).length <= 1,
    { message: `more than one of ${names.join(', ')}` },
  ] as const;
}

const refreshUrl = z.string().optional();
const flowsV10 = {
  authorizationCode: z
    .looseObject({ authorizationUrl: z.string(), tokenUrl: z.string(), refreshUrl, scopes, pkceRequired: z.boolean().optional() })
    .optional(),
  clientCredentials: z.looseObject({ tokenUrl: z.string(), refreshUrl, scopes }).optional(),
  implicit: z.looseObject({ authorizationUrl: z.string().optional(), refreshUrl, scopes: scopes.optional() }).optional(),
  password: z.looseObject({ tokenUrl: z.string().optional(), refreshUrl, scopes: scopes.optional() }).optional(),
  deviceCode: z.looseObject({ deviceAuthorizationUrl: z.string(), tokenUrl: z.string(), refreshUrl, scopes }).optional(),
};

const schemesV10 = {
  apiKeySecurityScheme: z.looseObject({ location: z.string(), name: z.string(), description }).optional(),
  httpAuthSecurityScheme: z.looseObject({ scheme: z.string(), bearerFormat: z.string().optional(), description }).optional(),
  oauth2SecurityScheme: z
    .looseObject({
      flows: z.looseObject(flowsV10).refine(...oneof(Object.keys(flowsV10))),
      oauth2MetadataUrl: z.string().optional(),
      description,
    })
    .optional(),
  openIdConnectSecurityScheme: z.looseObject({ openIdConnectUrl: z.string(), description }).optional(),
  mtlsSecurityScheme: z.looseObject({ description }).optional(),
};

export const SchemeV10 = z.looseObject(schemesV10).refine(...oneof(Object.keys(schemesV10)));
