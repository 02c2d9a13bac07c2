// The policies a tenant has written, by name: kept in its `control` partition, remembered by every instance.
import * as z from 'zod';
import { iso } from '../clock/clock.ts';
import { Problem, type TextFault } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import type { TenantScope } from '../scope/scope.ts';
import { put, type RememberedKind, remove, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { maxPolicyBytes, maxTenantBytes, maxTenantStatements } from './bounds.ts';
import { loadCedar } from './cedar.ts';
import { checkPolicy } from './check.ts';

/** 1–64 lower-case letters, digits and single inner hyphens. */
export const PolicyName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,63}$/, '1–64 lower-case letters, digits and single inner hyphens')
  .meta({ id: 'PolicyName', example: 'only-search' });

const Policy = z.strictObject({ text: z.string(), statements: z.int(), updatedAt: z.iso.datetime(), updatedBy: z.string() });
export type Policy = z.infer<typeof Policy>;
/** What events tell of one. */
const Told = Policy.pick({ text: true });

export const Policies: RememberedKind<Policy> = { container: 'control', type: 'policy', remembered: true, schema: Policy };

export const PolicyView = z
  .object({ name: PolicyName, bytes: z.int(), statements: z.int(), updatedAt: z.iso.datetime(), updatedBy: z.string() })
  .meta({ id: 'Policy' });

export function viewOfPolicy({ name, body: { text, ...rest } }: Stored<Policy>): z.infer<typeof PolicyView> {
  return { name, bytes: Buffer.byteLength(text), ...rest };
}

/** Lets a change go on, or says why not; it is given the present version. */
export type Condition = (present: Stored<Policy> | undefined) => Problem | undefined;

export interface Written {
  readonly isNew: boolean;
  readonly policy: Stored<Policy>;
  readonly warnings: readonly TextFault[];
}

interface Services {
  readonly store: TenantStore;
  readonly ledger: Ledger;
}

export class PolicyStore {
  readonly #store: TenantStore;
  readonly #ledger: Ledger;

  constructor({ store, ledger }: Services) {
    this.#store = store;
    this.#ledger = ledger;
  }

  /** What decisions are made by: the same array until something changed. Throws a DependencyError rather than guess. */
  inForce(scope: TenantScope): Promise<readonly Stored<Policy>[]> {
    return this.#store.rememberedAll(scope, Policies);
  }

  read(scope: TenantScope, name: string): Promise<Stored<Policy> | undefined> {
    return this.#store.of(scope).read(Policies, name);
  }

  /** All of them, in the order of their names: there are never more than 200. */
  list(scope: TenantScope): Promise<Stored<Policy>[]> {
    return this.#store.of(scope).list(Policies);
  }

  /** Writes a policy, or says line by line why it is none. It holds here at once and everywhere within 2 s. */
  async write(scope: TenantScope, cause: Cause, name: string, text: string, condition: Condition): Promise<Written | Problem> {
    if (Buffer.byteLength(text) > maxPolicyBytes)
      return new Problem('payload_too_large', { detail: `A policy may have ${maxPolicyBytes} bytes.` });
    const checked = checkPolicy(await loadCedar(), text);
    if ('faults' in checked) return new Problem('policy_invalid', { errors: checked.faults });
    const policy: Policy = { text, statements: checked.statements, updatedAt: iso(), updatedBy: cause.actor.id };
    const written = await this.#ledger.commit(scope, cause, async (partition) => {
      const others = await partition.list(Policies);
      const present = others.find((other) => other.name === name);
      const refused = condition(present) ?? refuseTooMany([...others.filter((other) => other !== present).map(({ body }) => body), policy]);
      if (refused) return refused;
      return {
        changes: [put(Policies, name, policy)],
        event: {
          action: 'policy.written',
          entity: { type: 'policy', id: name },
          ...(present && { old: image(Told, present.body) }),
          new: image(Told, policy),
        },
        result: !present,
      };
    });
    if (written instanceof Problem) return written;
    const stored = await this.read(scope, name);
    // Deleted or replaced by somebody else since: what is told of is still what was written.
    return { isNew: written, policy: stored?.body.text === text ? stored : { name, body: policy, etag: '' }, warnings: checked.warnings };
  }

  async delete(scope: TenantScope, cause: Cause, name: string, condition: Condition): Promise<Problem | undefined> {
    return this.#ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Policies, name);
      const refused = condition(present) ?? (present ? undefined : new Problem('not_found'));
      if (refused || !present) return refused ?? new Problem('not_found');
      return {
        changes: [remove(Policies, name, present.etag)],
        event: { action: 'policy.deleted', entity: { type: 'policy', id: name }, old: image(Told, present.body) },
        result: undefined,
      };
    });
  }
}

/** Every decision costs time for every statement, and every change for every byte, in a process that serves other tenants too. */
function refuseTooMany(policies: readonly Policy[]): Problem | undefined {
  const statements = policies.reduce((sum, policy) => sum + policy.statements, 0);
  const bytes = policies.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (statements <= maxTenantStatements && bytes <= maxTenantBytes) return undefined;
  return new Problem('too_many_policies', {
    detail: `A tenant may have ${maxTenantStatements} permit and forbid statements and ${maxTenantBytes / 1_024} KB of them.`,
  });
}
