// What a credential may do: scopes, and the roles that stand for sets of them (api.md, Roles).

export const tenantScopes = [
  'agents:read',
  'agents:register',
  'agents:manage',
  'messages:send',
  'messages:receive',
  'messages:manage',
  'integrations:read',
  'integrations:write',
  'tools:read',
  'tools:invoke',
  'tenant:read',
  'tenant:write',
  'keys:manage',
  'members:manage',
  'policy:read',
  'policy:write',
  'usage:read',
  'usage:report',
  'events:read',
  'audit:read',
] as const;
export type Scope = (typeof tenantScopes)[number];

export const platformScopes = ['platform:tenants', 'platform:read'] as const;
export type PlatformRight = (typeof platformScopes)[number];

const within = (...areas: readonly string[]): Scope[] => tenantScopes.filter((scope) => areas.includes(scope.slice(0, scope.indexOf(':'))));

export const roles = {
  owner: [...tenantScopes],
  admin: tenantScopes.filter((scope) => scope !== 'tenant:write'),
  developer: [...within('agents', 'messages', 'integrations', 'tools'), 'policy:read', 'usage:read', 'events:read', 'tenant:read'],
  agent: ['agents:read', 'agents:register', 'messages:send', 'messages:receive', 'tools:read', 'tools:invoke', 'usage:report'],
  viewer: tenantScopes.filter((scope) => scope.endsWith(':read') && scope !== 'audit:read'),
  auditor: ['audit:read', 'policy:read', 'tenant:read', 'usage:read', 'events:read'],
} as const satisfies Record<string, readonly Scope[]>;
export type Role = keyof typeof roles;

export const roleNames = ['owner', 'admin', 'developer', 'agent', 'viewer', 'auditor'] as const satisfies readonly Role[];
