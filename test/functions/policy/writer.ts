// Writing and deleting policies in a test.
import { expect } from 'vitest';
import type { Answer, Asker } from '../asker.ts';

export interface PolicyView {
  readonly name: string;
  readonly bytes: number;
  readonly statements: number;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly warnings?: readonly unknown[];
}

export function policyPath(tenantId: string, name: string): string {
  return `/tenants/${tenantId}/policies/${name}`;
}

/** Any answer to a PUT of this text. */
export function put(
  by: Asker,
  tenantId: string,
  name: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<Answer<PolicyView>> {
  return by.ask<PolicyView>('PUT', policyPath(tenantId, name), { body, headers: { 'content-type': 'text/plain', ...headers } });
}

/** Makes these the policies of the tenant, and no others. */
export async function setPolicies(owner: Asker, tenantId: string, texts: Record<string, string>): Promise<void> {
  const { items } = await owner.get<{ items: PolicyView[] }>(`/tenants/${tenantId}/policies?limit=200`);
  for (const { name } of items) if (!(name in texts)) await owner.ask('DELETE', policyPath(tenantId, name));
  for (const [name, text] of Object.entries(texts)) {
    const { status, body } = await put(owner, tenantId, name, text);
    expect(status, JSON.stringify(body)).toBeLessThan(300);
  }
}
