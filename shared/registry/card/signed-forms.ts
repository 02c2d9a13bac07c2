// The texts a card's signature may be over: RFC 8785 forms of the card without its signatures (A2A 1.0, 8.4.1). There is more than one because the
// specification keeps required members that are empty while its authors' SDKs drop whatever is empty, and because 0.3 names no form at all. All of them say the
// same of every member that the card's version knows.
import { canonical } from '../../messaging/canonical.ts';
import type { ReadCard } from './card.ts';
import { isRecord, without } from './members.ts';

/** How a member of a message is treated when it has its default value: kept where it is REQUIRED or `optional` in a2a.proto, else left out. */
interface Field {
  readonly keep: boolean;
  /** What it, each of a list, or each value of a map is made of. */
  readonly message?: Message;
  readonly map?: true;
}
type Message = Readonly<Record<string, Field>>;

const kept: Field = { keep: true };
const plain: Field = { keep: false };
const of = (message: Message, keep = false): Field => ({ keep, message });
const mapOf = (message: Message): Field => ({ keep: false, message, map: true });

const requirements = of({ schemes: mapOf({ list: plain }) });
const flow: Message = { tokenUrl: kept, refreshUrl: plain, scopes: kept };
/** The deprecated ones have no required members. */
const oldFlow: Message = { authorizationUrl: plain, tokenUrl: plain, refreshUrl: plain, scopes: plain };

/** AgentCard of a2a.proto v1.0.1, but for its signatures. */
const agentCard: Message = {
  name: kept,
  description: kept,
  supportedInterfaces: of({ url: kept, protocolBinding: kept, tenant: plain, protocolVersion: kept }, true),
  provider: of({ url: kept, organization: kept }),
  version: kept,
  documentationUrl: kept,
  capabilities: of(
    {
      streaming: kept,
      pushNotifications: kept,
      extensions: of({ uri: plain, description: plain, required: plain, params: kept }),
      extendedAgentCard: kept,
    },
    true,
  ),
  securitySchemes: mapOf({
    apiKeySecurityScheme: of({ description: plain, location: kept, name: kept }, true),
    httpAuthSecurityScheme: of({ description: plain, scheme: kept, bearerFormat: plain }, true),
    oauth2SecurityScheme: of(
      {
        description: plain,
        flows: of(
          {
            authorizationCode: of({ ...flow, authorizationUrl: kept, pkceRequired: plain }, true),
            clientCredentials: of(flow, true),
            implicit: of(oldFlow, true),
            password: of(oldFlow, true),
            deviceCode: of({ ...flow, deviceAuthorizationUrl: kept }, true),
          },
          true,
        ),
        oauth2MetadataUrl: plain,
      },
      true,
    ),
    openIdConnectSecurityScheme: of({ description: plain, openIdConnectUrl: kept }, true),
    mtlsSecurityScheme: of({ description: plain }, true),
  }),
  securityRequirements: requirements,
  defaultInputModes: kept,
  defaultOutputModes: kept,
  skills: of(
    {
      id: kept,
      name: kept,
      description: kept,
      tags: kept,
      examples: plain,
      inputModes: plain,
      outputModes: plain,
      securityRequirements: requirements,
    },
    true,
  ),
  iconUrl: kept,
};

/** At most three, the one that covers most first: all members there are, those 1.0 knows by its rules, and those that are not empty. */
export function signedForms({ version, original }: ReadCard): readonly string[] {
  const whole = without(original, 'signatures');
  switch (version) {
    case '1.0': {
      const known = project(agentCard, whole);
      return distinct([whole, known, filled(known)]);
    }
    case '0.3': {
      const bare = filled(whole);
      return distinct([whole, bare, isRecord(bare) ? withoutDefaults(bare) : bare]);
    }
    case '0.2':
      return [];
  }
}

function distinct(forms: readonly unknown[]): string[] {
  return [...new Set(forms.map(canonical))];
}

function project(message: Message, value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(message).flatMap(([name, field]) => {
      if (!Object.hasOwn(value, name)) return [];
      const member = projectField(field, value[name]);
      return field.keep || !isDefault(field, member) ? [[name, member]] : [];
    }),
  );
}

function projectField({ message, map }: Field, value: unknown): unknown {
  if (!message) return value;
  if (Array.isArray(value)) return value.map((each) => project(message, each));
  if (map && isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, project(message, each)]));
  return project(message, value);
}

/** A message that is there says something by being there, also when it is empty; a map does not. */
function isDefault({ message, map }: Field, value: unknown): boolean {
  if (value === '' || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && (map === true || !message) && Object.keys(value).length === 0;
}

/** Without empty texts, lists and objects at any depth, those included that are empty by then; as `cleanEmpty` of the SDKs. */
function filled(value: unknown): unknown {
  if (value === '' || value === null) return undefined;
  if (Array.isArray(value)) {
    const rest = value.map(filled).filter((each) => each !== undefined);
    return rest.length > 0 ? rest : undefined;
  }
  if (!isRecord(value)) return value;
  const rest = Object.entries(value).flatMap(([name, member]) => {
    const inner = filled(member);
    return inner === undefined ? [] : [[name, inner] as const];
  });
  return rest.length > 0 ? Object.fromEntries(rest) : undefined;
}

/** 0.3 has a default for these two; the SDKs of its time leave it out of what they sign. */
function withoutDefaults(card: Record<string, unknown>): Record<string, unknown> {
  const { protocolVersion, preferredTransport, ...rest } = card;
  return {
    ...rest,
    ...(protocolVersion !== '0.3.0' && { protocolVersion }),
    ...(preferredTransport !== 'JSONRPC' && preferredTransport !== undefined && { preferredTransport }),
  };
}
