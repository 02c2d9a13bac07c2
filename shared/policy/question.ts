// What the policies are asked: may this principal do this to that. The pipeline makes the principal of the identity, the contract makes the question.
import * as z from 'zod';
import type { TenantIdentity } from '../identity/identity.ts';
import type { Action, PrincipalType, ResourceType } from './schema.ts';

const Address = z.union([z.ipv4(), z.ipv6().refine((text) => !text.includes('.'))]);

/** An entity as Cedar names it. */
export interface EntityName {
  readonly type: string;
  readonly id: string;
}

export interface Resource extends EntityName {
  readonly type: ResourceType;
  /** What it is part of: a tool of its integration. */
  readonly in?: EntityName;
}

/** May the caller do this to that? `Action::"tool:invoke"` on `Tool::"notion.createPage"` in `Integration::"notion"`. */
export interface PolicyQuestion {
  readonly action: Action;
  readonly resource: Resource;
  /** What the action's schema knows; the caller's address is added to it. */
  readonly context?: Readonly<Record<string, string>>;
}

export interface Principal extends EntityName {
  readonly type: PrincipalType;
  readonly role: string | undefined;
  readonly groups: readonly string[];
}

/** A credential bound to an agent speaks for it, a key or a token issued for one for the key, any other for a person. */
export function principalOf({ agentId, keyId, subject, role, groups }: TenantIdentity): Principal {
  if (agentId !== undefined) return { type: 'Agent', id: agentId, role, groups };
  return keyId === undefined ? { type: 'User', id: subject, role, groups } : { type: 'Key', id: keyId, role, groups };
}

/** `{integration}.{tool}` as a resource. */
export function toolResource(toolId: string): Resource {
  const at = toolId.indexOf('.');
  return { type: 'Tool', id: toolId, ...(at > 0 && { in: { type: 'Integration', id: toolId.slice(0, at) } }) };
}

/** A queue by the part of its name that comes behind the tenant's. */
export function queueResource(name: string): Resource {
  return { type: 'Queue', id: name.slice(name.lastIndexOf('-') + 1) };
}

/** What a principal or resource is in. */
export function parentsOf(entity: Principal | Resource): readonly EntityName[] {
  if (!('groups' in entity)) return entity.in ? [entity.in] : [];
  const groups = entity.groups.map((id) => ({ type: 'Group', id }));
  return entity.role === undefined ? groups : [{ type: 'Role', id: entity.role }, ...groups];
}

/** The question with the caller's address in its context, where it is one Cedar can read. */
export function askedFrom(question: PolicyQuestion, address: string | undefined): PolicyQuestion {
  const ip = address === undefined ? undefined : readAddress(address);
  return ip === undefined ? question : { ...question, context: { ...question.context, ip } };
}

/** An IPv4 or IPv6 address without port, brackets or the dress of one kind as the other; undefined for anything else. */
export function readAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^::ffff:(?=\d+\.)/i, '');
  return Address.safeParse(bare).data;
}
