// Roles: the table of api.md ("Roles"), word for word.
import { expect, it } from 'vitest';
import { platformScopes, roleNames, roles, tenantScopes } from '../../../shared/identity/scopes.ts';

const all = [
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
];
const of = (...areas: string[]) => all.filter((scope) => areas.some((area) => scope.startsWith(`${area}:`)));

const table: Record<string, string[]> = {
  owner: all,
  admin: all.filter((scope) => scope !== 'tenant:write'),
  developer: [...of('agents', 'messages', 'integrations', 'tools'), 'policy:read', 'usage:read', 'events:read', 'tenant:read'],
  agent: ['agents:read', 'agents:register', 'messages:send', 'messages:receive', 'tools:read', 'tools:invoke', 'usage:report'],
  viewer: ['agents:read', 'integrations:read', 'tools:read', 'tenant:read', 'policy:read', 'usage:read', 'events:read'],
  auditor: ['audit:read', 'policy:read', 'tenant:read', 'usage:read', 'events:read'],
};

it('knows every scope of api.md and no other', () => {
  expect([...tenantScopes].sort()).toEqual(all.sort());
  expect([...platformScopes].sort()).toEqual(['platform:read', 'platform:tenants']);
});

it('knows the roles of api.md and no other', () => {
  expect(Object.keys(roles)).toEqual(Object.keys(table));
  expect([...roleNames]).toEqual(Object.keys(table));
});

it.each(Object.entries(table))('%s', (role, scopes) => {
  expect([...roles[role as keyof typeof roles]].sort()).toEqual([...scopes].sort());
});
