// What each version of the A2A card must hold (a2aproject/A2A, v0.2.0–v1.0.1; protocols.md 1.2–1.3). Unknown fields pass, as 1.0 asks.
// But for bounds and for what is required and empty, this takes what the published schemas take: test/shared/registry/card-schemas.test.ts.
import * as z from 'zod';
import { SchemeV02, SchemeV03, SchemeV10 } from './security-schemes.ts';

// An empty required text or list has two canonical forms in the field (protocols.md 1.6), so it is refused at the door.
const text = z.string().min(1).max(4_096);
const modes = z.array(z.string().min(1).max(256)).min(1).max(64);
const flag = z.boolean().optional();

const Skill = z.looseObject({
  id: text,
  name: text,
  description: text,
  tags: z.array(z.string().min(1).max(256)).max(64),
  examples: z.array(z.string()).optional(),
  inputModes: z.array(z.string()).optional(),
  outputModes: z.array(z.string()).optional(),
});

/** Which schemes, with which scopes, open an agent or (from 0.3) a skill: one entry of the list is enough, all of its members are needed. */
const security = z.array(z.record(z.string(), z.array(z.string()))).optional();
const securityRequirements = z
  .array(z.looseObject({ schemes: z.record(z.string(), z.looseObject({ list: z.array(z.string()).optional() })).optional() }))
  .optional();

const extension = { description: z.string().optional(), required: flag, params: z.record(z.string(), z.unknown()).optional() };
const capabilities = { streaming: flag, pushNotifications: flag };

const OldCapabilities = z.looseObject({
  ...capabilities,
  stateTransitionHistory: flag,
  extensions: z.array(z.looseObject({ ...extension, uri: z.string() })).optional(),
});

const common = {
  name: text,
  description: text,
  version: text,
  defaultInputModes: modes,
  defaultOutputModes: modes,
  provider: z.looseObject({ organization: text, url: text }).optional(),
  documentationUrl: z.string().optional(),
  iconUrl: z.string().optional(),
};

export const CardV02 = z.looseObject({
  ...common,
  url: text,
  capabilities: OldCapabilities,
  skills: z.array(Skill).min(1).max(256),
  securitySchemes: z.record(z.string(), SchemeV02).optional(),
  security,
  supportsAuthenticatedExtendedCard: flag,
  preferredTransport: z.string().optional(),
  additionalInterfaces: z.array(z.looseObject({ url: z.string(), transport: z.string() })).optional(),
  protocolVersion: z.string().optional(),
});

const Signature = z.looseObject({
  protected: z.string().max(8_192),
  signature: z.string().max(2_048),
  header: z.record(z.string(), z.unknown()).optional(),
});
/** Each may cost a look for its key and a check. */
const signatures = z.array(Signature).max(8).optional();
export type Signature = z.infer<typeof Signature>;

export const CardV03 = z.looseObject({
  ...CardV02.shape,
  protocolVersion: text,
  skills: z.array(Skill.extend({ security })).min(1).max(256),
  securitySchemes: z.record(z.string(), SchemeV03).optional(),
  signatures,
});

export const CardV10 = z.looseObject({
  ...common,
  supportedInterfaces: z
    .array(z.looseObject({ url: text, protocolBinding: text, protocolVersion: text, tenant: z.string().optional() }))
    .min(1)
    .max(32),
  capabilities: z.looseObject({
    ...capabilities,
    extensions: z.array(z.looseObject({ ...extension, uri: z.string().optional() })).optional(),
    extendedAgentCard: flag,
  }),
  skills: z.array(Skill.extend({ securityRequirements })).min(1).max(256),
  securitySchemes: z.record(z.string(), SchemeV10).optional(),
  securityRequirements,
  signatures,
});
export type CardV10 = z.infer<typeof CardV10>;
