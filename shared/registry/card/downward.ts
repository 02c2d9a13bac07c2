// A2A 1.0 to 0.3 and to 0.2 (the shape of 0.2.6), for readers that know no other. What the older version cannot say is left out: interfaces' tenants,
// signatures (they are of the card as it was), the device flow, an extension without a uri. A requirement stays even where its scheme goes: an agent
// that cannot be opened in the reader's words must not look as if it stood open.
import { isRecord, without } from './members.ts';
import type { CardV10 } from './schemas.ts';

/** Names with a meaning in the older versions; a 1.0 card may have used them for something of its own. */
const olderNames = [
  'url',
  'preferredTransport',
  'additionalInterfaces',
  'protocolVersion',
  'security',
  'supportsAuthenticatedExtendedCard',
  'signatures',
] as const;
type Members = Record<string, unknown>;

/** The interfaces that speak a 0.x version, and where there are none all of them: the card then says what version it takes to talk to them. */
export function toV03(card: CardV10): Members {
  const { supportedInterfaces, capabilities, securitySchemes, securityRequirements, skills, ...rest } = card;
  const older = supportedInterfaces.filter(({ protocolVersion }) => /^0\./.test(protocolVersion));
  const [first, ...others] = older.length > 0 ? older : supportedInterfaces;
  if (!first) throw new Error('a card has at least one interface');
  const { extensions, extendedAgentCard } = capabilities;
  return {
    ...without(rest, ...olderNames),
    protocolVersion: first.protocolVersion,
    url: first.url,
    preferredTransport: first.protocolBinding,
    ...(others.length > 0 && { additionalInterfaces: others.map(({ url, protocolBinding }) => ({ url, transport: protocolBinding })) }),
    capabilities: {
      ...without(capabilities, 'extensions', 'extendedAgentCard', 'stateTransitionHistory'),
      ...(extensions && { extensions: extensions.filter(({ uri }) => uri !== undefined) }),
    },
    ...(extendedAgentCard !== undefined && { supportsAuthenticatedExtendedCard: extendedAgentCard }),
    ...(securitySchemes && { securitySchemes: schemesOf(securitySchemes) }),
    ...(securityRequirements && { security: securityRequirements.map(requirement) }),
    skills: skills.map(({ securityRequirements: needed, ...skill }) => ({
      ...without(skill, 'security'),
      ...(needed && { security: needed.map(requirement) }),
    })),
  };
}

export function toV02(card: CardV10): Members {
  const { securitySchemes, ...rest } = toV03({
    ...card,
    skills: card.skills.map((skill) => without(skill, 'securityRequirements')),
  });
  if (!isRecord(securitySchemes)) return rest;
  const known = Object.entries(securitySchemes).filter(([, scheme]) => isRecord(scheme) && scheme['type'] !== 'mutualTLS');
  return {
    ...rest,
    securitySchemes: Object.fromEntries(
      known.map(([name, scheme]) => [name, isRecord(scheme) ? without(scheme, 'oauth2MetadataUrl') : scheme]),
    ),
  };
}

type Requirement = NonNullable<CardV10['securityRequirements']>[number];
type Scheme = NonNullable<CardV10['securitySchemes']>[string];

function requirement({ schemes = {} }: Requirement): Record<string, string[]> {
  return Object.fromEntries(Object.entries(schemes).map(([name, { list = [] }]) => [name, list]));
}

function schemesOf(schemes: Record<string, Scheme>): Members {
  return Object.fromEntries(
    Object.entries(schemes).flatMap(([name, scheme]) => {
      const old = retag(scheme);
      return old ? [[name, old] as const] : [];
    }),
  );
}

/** Undefined for a scheme, or a place for an API key, that the older versions do not know. */
function retag(scheme: Scheme): Members | undefined {
  const {
    apiKeySecurityScheme: apiKey,
    httpAuthSecurityScheme: http,
    oauth2SecurityScheme: oauth2,
    openIdConnectSecurityScheme: openIdConnect,
    mtlsSecurityScheme: mutualTls,
  } = scheme;
  if (apiKey) {
    const { location, ...rest } = apiKey;
    return ['cookie', 'header', 'query'].includes(location) ? { ...rest, type: 'apiKey', in: location } : undefined;
  }
  if (http) return { ...http, type: 'http' };
  if (oauth2) return { ...oauth2, type: 'oauth2', flows: flowsOf(oauth2.flows) };
  if (openIdConnect) return { ...openIdConnect, type: 'openIdConnect' };
  return mutualTls && { ...mutualTls, type: 'mutualTLS' };
}

/** The deprecated flows have no required members in 1.0; one without an address is none. */
function flowsOf({
  authorizationCode,
  clientCredentials,
  implicit,
  password,
}: NonNullable<Scheme['oauth2SecurityScheme']>['flows']): Members {
  if (authorizationCode) return { authorizationCode: without(authorizationCode, 'pkceRequired') };
  if (clientCredentials) return { clientCredentials };
  if (implicit?.authorizationUrl !== undefined) return { implicit: { ...implicit, scopes: implicit.scopes ?? {} } };
  return password?.tokenUrl === undefined ? {} : { password: { ...password, scopes: password.scopes ?? {} } };
}
