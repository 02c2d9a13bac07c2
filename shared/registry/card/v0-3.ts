// A2A 0.3 to 1.0: the address becomes a list of interfaces, security schemes change their tag. Signatures go: they are of the card as it was.
import type * as z from 'zod';
import type { CardV02, CardV10 } from './schemas.ts';

type Old = z.infer<typeof CardV02>;
type New = z.infer<typeof CardV10>;

export function fromV03(card: Old): New {
  return upward(card, card.protocolVersion ?? '0.3.0');
}

/** The way both older versions go; `protocolVersion` is what their interfaces speak. */
export function upward(card: Old, protocolVersion: string): New {
  const {
    url,
    preferredTransport,
    additionalInterfaces,
    security,
    securitySchemes,
    protocolVersion: _,
    capabilities,
    skills,
    ...same
  } = card;
  const { supportsAuthenticatedExtendedCard, signatures: ___, ...rest } = same;
  const { stateTransitionHistory: __, ...kept } = capabilities;
  const interfaces = [{ url, transport: preferredTransport ?? 'JSONRPC' }, ...(additionalInterfaces ?? [])];
  const distinct = interfaces.filter(
    (one, at) => interfaces.findIndex((other) => other.url === one.url && other.transport === one.transport) === at,
  );
  return {
    ...rest,
    capabilities: { ...kept, ...(supportsAuthenticatedExtendedCard === true && { extendedAgentCard: true }) },
    supportedInterfaces: distinct.map((each) => ({ url: each.url, protocolBinding: each.transport, protocolVersion })),
    ...(securitySchemes && {
      securitySchemes: Object.fromEntries(Object.entries(securitySchemes).map(([name, scheme]) => [name, retag(scheme)])),
    }),
    ...(security && { securityRequirements: security.map(requirement) }),
    skills: skills.map(({ security: ofSkill, ...skill }) => ({
      ...skill,
      ...(ofSkill && { securityRequirements: ofSkill.map(requirement) }),
    })),
  };
}

function requirement(schemes: Record<string, string[]>): object {
  return { schemes: Object.fromEntries(Object.entries(schemes).map(([name, list]) => [name, { list }])) };
}

const tags: Readonly<Record<string, string>> = {
  apiKey: 'apiKeySecurityScheme',
  http: 'httpAuthSecurityScheme',
  oauth2: 'oauth2SecurityScheme',
  openIdConnect: 'openIdConnectSecurityScheme',
  mutualTLS: 'mtlsSecurityScheme',
};

/** 1.0 tags a scheme by its member's name instead of by `type`, and calls an API key's `in` its `location`. */
function retag(scheme: Record<string, unknown>): Record<string, unknown> {
  const { type, ...body } = scheme;
  const tag = typeof type === 'string' ? tags[type] : undefined;
  if (tag === undefined) return scheme;
  if (type !== 'apiKey') return { [tag]: body };
  const { in: location, ...rest } = body;
  return { [tag]: { ...rest, location } };
}
