// The people of a tenant: a subject, as the tenant's identity provider names it, with a role and groups. Sign-in reads these.
import * as z from 'zod';
import { iso } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import { type Role, roleNames, roles, type Scope } from '../identity/scopes.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import type { CandidateScope, PlatformScope, TenantScope } from '../scope/scope.ts';
import { put, type RememberedKind, remove, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Memberships } from './memberships.ts';

/** What an identity provider calls a person (OpenID Connect Core 2, `sub`: ASCII). */
export const Subject = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, '1–200 printable ASCII characters without spaces')
  .meta({ id: 'Subject', example: 'auth0|5f7c8ec7c33c6c004bbafe82' });

export const Groups = z.array(z.string().regex(/^\P{C}{1,64}$/u, '1–64 printable characters')).max(50);

export const Member = z.strictObject({
  subject: Subject,
  role: z.enum(roleNames),
  groups: Groups,
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type Member = z.infer<typeof Member>;

export const Members: RememberedKind<Member> = { container: 'control', type: 'member', schema: Member, remembered: true, proof: true };

/** The name of a member's document: Cosmos allows no `/`, `\`, `?` or `#` in an id, so those and the escape itself are written as `~` and hex. */
export function memberName(subject: string): string {
  return subject.replace(/[/\\?#%~]/g, (character) => `~${character.charCodeAt(0).toString(16)}`);
}

/** What events tell of one. */
const Told = Member.pick({ role: true, groups: true });

/** Keeps lists and counts bounded. */
const maxMembers = 5_000;

/** What a change may depend on, asked about the version that is there when it is made. */
export type Precondition = (stored: Stored<unknown> | undefined) => Problem | undefined;

interface Services {
  readonly store: TenantStore;
  readonly ledger: Ledger;
  readonly platform: PlatformScope;
  readonly memberships: Memberships;
}

export class MemberService {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** One member as every instance may rely on it (≤ 2 s old): for whoever proves to be that subject. */
  of(scope: TenantScope | CandidateScope, subject: string): Promise<Member | undefined> {
    return this.#services.store.remembered(scope, Members, memberName(subject));
  }

  read(scope: TenantScope, subject: string): Promise<Stored<Member> | undefined> {
    return this.#services.store.of(scope).read(Members, memberName(subject));
  }

  /** In the order of their names, from behind the document named `after`. */
  list(scope: TenantScope, page: { limit: number; after?: string }): Promise<Stored<Member>[]> {
    return this.#services.store.of(scope).list(Members, page);
  }

  /** Makes or changes a member. `granting` is what the caller holds: nobody gives, or takes from others, more than that. */
  async write(
    scope: TenantScope,
    cause: Cause,
    granting: ReadonlySet<Scope>,
    given: Pick<Member, 'subject' | 'role' | 'groups'>,
    precondition: Precondition,
  ): Promise<{ isNew: boolean } | Problem> {
    const { ledger, platform, memberships } = this.#services;
    const { subject, role } = given;
    const groups = [...new Set(given.groups)];
    if (exceeds(role, granting)) return exceeded(role);
    await memberships.enter(platform, scope.tenantId, subject);
    const written = await ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Members, memberName(subject));
      const refused = precondition(present) ?? (present && this.#mayTouch(present.body, granting));
      if (refused) return refused;
      if (present?.body.role === 'owner' && role !== 'owner' && (await partition.count(Members, { role: 'owner' })) < 2)
        return new Problem('last_owner');
      if (!present && (await partition.count(Members)) >= maxMembers)
        return new Problem('quota_exceeded', { detail: `A tenant may have ${maxMembers} members.`, headers: { 'Retry-After': '60' } });
      const at = iso();
      const member: Member = { subject, role, groups, createdAt: present?.body.createdAt ?? at, updatedAt: at };
      return {
        changes: [put(Members, memberName(subject), member)],
        event: {
          action: 'member.written',
          entity: { type: 'member', id: subject },
          ...(present && { old: image(Told, present.body) }),
          new: image(Told, member),
        },
        result: { isNew: !present },
      };
    });
    await this.#settle(scope, subject);
    return written;
  }

  /** Ends a membership. Gone already is as good. */
  async remove(
    scope: TenantScope,
    cause: Cause,
    granting: ReadonlySet<Scope>,
    subject: string,
    precondition: Precondition,
  ): Promise<Problem | undefined> {
    let absent = false;
    const removed = await this.#services.ledger.commit(scope, cause, async (partition) => {
      const present = await partition.read(Members, memberName(subject));
      const refused = precondition(present) ?? (present && this.#mayTouch(present.body, granting));
      if (refused) return refused;
      absent = !present;
      if (!present) return new Problem('not_found');
      if (present.body.role === 'owner' && (await partition.count(Members, { role: 'owner' })) < 2) return new Problem('last_owner');
      return {
        changes: [remove(Members, present.name)],
        event: {
          action: 'member.removed',
          entity: { type: 'member', id: subject },
          old: image(Told, present.body),
        },
        result: undefined,
      };
    });
    await this.#settle(scope, subject);
    return absent ? undefined : removed;
  }

  /** Who holds more than the caller is not changed by the caller. */
  #mayTouch(member: Member, granting: ReadonlySet<Scope>): Problem | undefined {
    return exceeds(member.role, granting) ? exceeded(member.role) : undefined;
  }

  /** Takes the tenant off the lists of all its members: it is being erased. */
  async forgetAll(scope: TenantScope): Promise<void> {
    const { store, memberships, platform } = this.#services;
    for await (const page of store.of(scope).scan(Members))
      for (const { body } of page) await memberships.settle(platform, scope.tenantId, body.subject, async () => false);
  }

  /** Brings the person's list of tenants to what is true now. Whoever changes the membership next settles it again. */
  #settle(scope: TenantScope, subject: string): Promise<void> {
    const { memberships, platform } = this.#services;
    return memberships.settle(platform, scope.tenantId, subject, async () => (await this.read(scope, subject)) !== undefined);
  }
}

function exceeds(role: Role, granting: ReadonlySet<Scope>): boolean {
  return roles[role].some((scope) => !granting.has(scope));
}

function exceeded(role: Role): Problem {
  return new Problem('scope_exceeded', { detail: `The role ${role} holds scopes that your credential does not.` });
}
