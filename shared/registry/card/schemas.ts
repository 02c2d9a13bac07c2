// What each version of the A2A card must hold (a2aproject/A2A, v0.2.0–v1.0.1; protocols.md 1.2–1.3). Unknown fields pass, as 1.0 asks.
import * as z from 'zod';

// An empty required text or list has two canonical forms in the field (protocols.md 1.6), so it is refused at the door.
const text = z.string().min(1).max(4_096);
const modes = z.array(z.string().min(1).max(256)).min(1).max(64);

const Skill = z.looseObject({
  id: text,
  name: text,
  description: text,
  tags: z.array(z.string().min(1).max(256)).max(64),
  examples: z.array(z.string()).optional(),
  inputModes: z.array(z.string()).optional(),
  outputModes: z.array(z.string()).optional(),
});
const skills = z.array(Skill).min(1).max(256);
/** Which schemes, with which scopes, open an agent or (from 0.3) a skill: one entry of the list is enough, all of its members are needed. */
const security = z.array(z.record(z.string(), z.array(z.string()))).optional();

const Provider = z.looseObject({ organization: text, url: text });
const Capabilities = z.looseObject({
  streaming: z.boolean().optional(),
  pushNotifications: z.boolean().optional(),
  stateTransitionHistory: z.boolean().optional(),
});

const common = {
  name: text,
  description: text,
  version: text,
  capabilities: Capabilities,
  defaultInputModes: modes,
  defaultOutputModes: modes,
  skills,
  provider: Provider.optional(),
  documentationUrl: z.string().optional(),
  iconUrl: z.string().optional(),
  securitySchemes: z.record(z.string(), z.looseObject({})).optional(),
};

export const CardV02 = z.looseObject({
  ...common,
  url: text,
  skills: z.array(Skill.extend({ security })).min(1).max(256),
  security,
  preferredTransport: z.string().optional(),
  additionalInterfaces: z.array(z.looseObject({ url: text, transport: text })).optional(),
  protocolVersion: z.string().optional(),
});

export const CardV03 = z.looseObject({ ...CardV02.shape, protocolVersion: text });

export const CardV10 = z.looseObject({
  ...common,
  supportedInterfaces: z
    .array(z.looseObject({ url: text, protocolBinding: text, protocolVersion: text }))
    .min(1)
    .max(32),
});
