// The ids that become names in Azure. Their rules keep two tenants from ever naming the same thing (architecture 3, H-01).
import * as z from 'zod';

const reservedTenants = new Set(['platform', 'admin', 'runtime', 'system', 'flowgrid']);
const reservedAgents = new Set(['agents', 'orchestrator', 'dlq', 'search']);

/** 3–40 lower-case letters, digits and single inner hyphens, a letter first. Immutable, never used twice. */
export const TenantId = z
  .string()
  .regex(/^[a-z]([a-z0-9]|-(?=[a-z0-9])){1,38}[a-z0-9]$/, '3–40 lower-case letters, digits and single inner hyphens, a letter first')
  .refine((id) => !reservedTenants.has(id), 'this id is reserved')
  .brand('TenantId')
  .meta({ id: 'TenantId', example: 'acme' });
export type TenantId = z.infer<typeof TenantId>;

/** 2–64 lower-case letters, digits and single inner hyphens. */
export const AgentId = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,62}[a-z0-9]$/, '2–64 lower-case letters, digits and single inner hyphens')
  .refine((id) => !reservedAgents.has(id), 'this id is reserved')
  .brand('AgentId')
  .meta({ id: 'AgentId', example: 'incident-agent' });
export type AgentId = z.infer<typeof AgentId>;

/** 2–40 lower-case letters, digits and single inner hyphens. */
export const IntegrationId = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,38}[a-z0-9]$/, '2–40 lower-case letters, digits and single inner hyphens')
  .brand('IntegrationId')
  .meta({ id: 'IntegrationId', example: 'notion' });
export type IntegrationId = z.infer<typeof IntegrationId>;
