// The cards the protocol's authors published: JSON schemas up to 0.3, protocol buffers for 1.0, and random cards made from either.
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import fc from 'fast-check';

interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly type?: 'string' | 'boolean' | 'array' | 'object';
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  /** Of each of these sets at most one member is there. */
  readonly oneofs?: readonly (readonly string[])[];
  readonly allOf?: readonly { readonly not: { readonly required: readonly string[] } }[];
}

type Definitions = Readonly<Record<string, Schema>>;

const tags = ['v0.2.0', 'v0.2.1', 'v0.2.2', 'v0.2.4', 'v0.2.5', 'v0.2.6', 'v0.3.0'] as const;
export type Tag = (typeof tags)[number] | 'v1.0.1';

const read = (name: string) => readFileSync(new URL(`../../vectors/a2a/${name}`, import.meta.url), 'utf8');

const definitions: Readonly<Record<string, Definitions>> = Object.fromEntries([
  ...tags.map((tag) => [tag, JSON.parse(read(`agent-card-${tag}.json`)).definitions]),
  ['v1.0.1', definitionsOf(read('a2a-v1.0.1.proto'))],
]);
export const publishedTags = Object.keys(definitions) as Tag[];

/** The check of a card by a published schema. 0.2.5 and 0.2.6 want a protocolVersion; a card without one passes for one of an earlier 0.2. */
export function publishedCheck(tag: Tag): ValidateFunction {
  const { AgentCard, ...others } = definitions[tag] ?? {};
  const required = AgentCard?.required?.filter((name) => name !== 'protocolVersion' || tag === 'v0.3.0');
  return new Ajv({ strict: false, allErrors: true }).compile({
    $ref: '#/definitions/AgentCard',
    definitions: { ...others, AgentCard: { ...AgentCard, required } },
  });
}

/** Cards that fit a published schema. With `noise`, objects have members of names that the version does not know, other versions' among them. */
export function publishedCards(tag: Tag, { noise = false } = {}): fc.Arbitrary<Record<string, unknown>> {
  const known = definitions[tag] ?? {};
  // The schema of a card describes an object.
  return cardPart({ $ref: '#/definitions/AgentCard' }, known, noise) as fc.Arbitrary<Record<string, unknown>>;
}

const word = fc.string({ unit: fc.constantFrom(...'abcxyz-ÄЖ☃'), minLength: 1, maxLength: 6 });
const versions: Readonly<Record<string, fc.Arbitrary<string>>> = { protocolVersion: fc.constantFrom('0.2.6', '0.3.0', '0.3', '1.0') };
const noiseNames = [
  'x-own',
  'type',
  'in',
  'location',
  'url',
  'transport',
  'preferredTransport',
  'additionalInterfaces',
  'security',
  'securityRequirements',
  'supportsAuthenticatedExtendedCard',
  'signatures',
  'extendedAgentCard',
  'stateTransitionHistory',
  'extensions',
  'oauth2MetadataUrl',
  'deviceCode',
  'pkceRequired',
  'apiKeySecurityScheme',
];

function cardPart(schema: Schema, known: Definitions, noise: boolean): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return cardPart(known[schema.$ref.split('/').at(-1) ?? ''] ?? {}, known, noise);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((each) => cardPart(each, known, noise)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'string') return word;
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'array') return fc.array(cardPart(schema.items ?? {}, known, noise), { minLength: 1, maxLength: 2 });
  if (schema.properties) return objectOf(schema, schema.properties, known, noise);
  if (schema.additionalProperties) return fc.dictionary(word, cardPart(schema.additionalProperties, known, noise), { maxKeys: 2 });
  if (schema.type === 'object') return fc.dictionary(word, fc.constantFrom<unknown>(1, 'text', null, [true], { a: '' }), { maxKeys: 2 });
  return fc.constantFrom<unknown>(1, 'text', null, [true], { a: 1 });
}

function objectOf(schema: Schema, properties: Readonly<Record<string, Schema>>, known: Definitions, noise: boolean): fc.Arbitrary<object> {
  const { required = [], oneofs = [] } = schema;
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, versions[name] ?? cardPart(each, known, noise)]),
  );
  // A card with `supportedInterfaces` would be one of 1.0.
  const foreign = noise ? noiseNames.filter((name) => !(name in properties)) : [];
  return fc
    .tuple(
      fc.record(members, { requiredKeys: [...required] }),
      fc.array(fc.nat(), { minLength: oneofs.length, maxLength: oneofs.length }),
      fc.subarray(foreign, { maxLength: Math.min(2, foreign.length) }),
    )
    .map(([value, chosen, odd]) => {
      const dropped = oneofs.flatMap((names, at) => names.filter((_, index) => index !== (chosen[at] ?? 0) % names.length));
      const kept = Object.entries(value).filter(([name]) => !dropped.includes(name));
      return Object.fromEntries([...kept, ...odd.map((name) => [name, 7] as const)]);
    });
}

/** As JSON schemas the messages of a file of protocol buffers, proto3, in their JSON form; REQUIRED is google.api.field_behavior's. */
function definitionsOf(proto: string): Definitions {
  const bare = proto.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: Record<string, Schema> = {};
  for (const [, name = '', body = ''] of bare.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) found[name] = messageOf(body);
  return found;
}

function messageOf(body: string): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  const field = /(optional |repeated )?(map<string, ([\w.]+)>|[\w.]+) (\w+) = \d+(?: \[([^\]]*)\])?;/g;
  for (const [, label = '', type = '', valueType, name = '', options = ''] of body.matchAll(field)) {
    const schema = valueType === undefined ? typeOf(type) : ({ type: 'object', additionalProperties: typeOf(valueType) } as const);
    properties[jsonName(name)] = label === 'repeated ' ? { type: 'array', items: schema } : schema;
    if (options.includes('REQUIRED')) required.push(jsonName(name));
  }
  const oneofs = [...body.matchAll(/oneof \w+ \{([\s\S]*?)\}/g)].map(([, inner = '']) =>
    [...inner.matchAll(field)].map((each) => jsonName(each[4] ?? '')),
  );
  const pairs = oneofs.flatMap((names) => names.flatMap((one, at) => names.slice(at + 1).map((other) => [one, other])));
  const allOf = pairs.map((both) => ({ not: { required: both } }));
  return { type: 'object', properties, required, oneofs, ...(allOf.length > 0 && { allOf }) };
}

function typeOf(type: string): Schema {
  if (type === 'string') return { type: 'string' };
  if (type === 'bool') return { type: 'boolean' };
  return type.startsWith('google.protobuf.') ? { type: 'object' } : { $ref: `#/definitions/${type}` };
}

function jsonName(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
