// A2A 0.2 and 0.3 to 1.0: the address becomes a list of interfaces, security schemes change their tag. Signatures go: they are of the card as it
// was. So do names that were nobody's in the old version and mean something in 1.0. Of several OAuth flows of a scheme 1.0 has room for one.
import type * as z from 'zod';
import { isRecord, without } from './members.ts';
import type { CardV02, CardV03, CardV10 } from './schemas.ts';

/** The order in which the SDK of the protocol's authors prefers them (@a2a-js/sdk, compat/v0_3). */
const flowNames = ['authorizationCode', 'clientCredentials', 'implicit', 'password'] as const;

export function fromV02(card: z.infer<typeof CardV02>): CardV10 {
  const skills = card.skills.map((skill) => without(skill, 'securityRequirements'));
  return { ...upward(card, card.protocolVersion || '0.2.0'), skills };
}

export function fromV03(card: z.infer<typeof CardV03>): CardV10 {
  const skills = card.skills.map(({ security, ...skill }) => ({
    ...without(skill, 'securityRequirements'),
    ...(security && { securityRequirements: security.map(requirement) }),
  }));
  return { ...upward(card, card.protocolVersion), skills };
}

/** The way both go; `protocolVersion` is what their interfaces speak. */
function upward(card: z.infer<typeof CardV02> | z.infer<typeof CardV03>, protocolVersion: string): CardV10 {
  const { url, preferredTransport, additionalInterfaces, security, securitySchemes, supportsAuthenticatedExtendedCard, ...rest } = card;
  const interfaces = [{ url, transport: preferredTransport || 'JSONRPC' }, ...(additionalInterfaces ?? [])];
  const distinct = interfaces.filter(
    (one, at) =>
      one.url !== '' &&
      one.transport !== '' &&
      interfaces.findIndex((other) => other.url === one.url && other.transport === one.transport) === at,
  );
  return {
    ...without(rest, 'protocolVersion', 'signatures', 'securityRequirements'),
    capabilities: {
      ...without(card.capabilities, 'stateTransitionHistory', 'extendedAgentCard'),
      ...(supportsAuthenticatedExtendedCard !== undefined && { extendedAgentCard: supportsAuthenticatedExtendedCard }),
    },
    supportedInterfaces: distinct.slice(0, 32).map((each) => ({ url: each.url, protocolBinding: each.transport, protocolVersion })),
    ...(securitySchemes && {
      securitySchemes: Object.fromEntries(Object.entries(securitySchemes).map(([name, scheme]) => [name, retag(scheme)])),
    }),
    ...(security && { securityRequirements: security.map(requirement) }),
  };
}

function requirement(schemes: Record<string, string[]>): { schemes: Record<string, { list: string[] }> } {
  return { schemes: Object.fromEntries(Object.entries(schemes).map(([name, list]) => [name, { list }])) };
}

type OldScheme = NonNullable<(z.infer<typeof CardV02> | z.infer<typeof CardV03>)['securitySchemes']>[string];
type NewScheme = NonNullable<CardV10['securitySchemes']>[string];

/** 1.0 tags a scheme by its member's name instead of by `type`, and calls an API key's `in` its `location`. */
function retag(scheme: OldScheme): NewScheme {
  switch (scheme.type) {
    case 'apiKey':
      return { apiKeySecurityScheme: { ...without(scheme, 'type', 'in'), location: scheme.in } };
    case 'http':
      return { httpAuthSecurityScheme: without(scheme, 'type') };
    case 'oauth2': {
      const name = flowNames.find((each) => scheme.flows[each]);
      const flow = name && scheme.flows[name];
      const flows = name && isRecord(flow) ? { [name]: without(flow, 'pkceRequired') } : {};
      const { oauth2MetadataUrl } = scheme;
      return {
        oauth2SecurityScheme: {
          ...without(scheme, 'type', 'oauth2MetadataUrl'),
          flows,
          // 0.2 does not know it.
          ...(typeof oauth2MetadataUrl === 'string' && { oauth2MetadataUrl }),
        },
      };
    }
    case 'openIdConnect':
      return { openIdConnectSecurityScheme: without(scheme, 'type') };
    case 'mutualTLS':
      return { mtlsSecurityScheme: without(scheme, 'type') };
  }
}
