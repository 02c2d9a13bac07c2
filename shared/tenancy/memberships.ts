// Which tenants a person may be a member of, so that signing in needs no query across tenants. A hint: the member's own document decides.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { DependencyError } from '../errors/problem.ts';
import { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { PlatformDocuments, PlatformKind } from '../storage/platform-documents.ts';

/** Under the hash of the subject: the platform's documents name nobody. */
const Lists: PlatformKind<{ tenants: TenantId[] }> = { type: 'membership', schema: z.strictObject({ tenants: z.array(TenantId) }) };

/** A person in more tenants than this names the one to sign in to. */
const maxTenants = 200;
const tries = 20;

export class Memberships {
  readonly #documents: PlatformDocuments;

  constructor(documents: PlatformDocuments) {
    this.#documents = documents;
  }

  /** Tenants that the subject was made a member of, in the order of joining; ask each whether it still holds. */
  async of(platform: PlatformScope, subject: string): Promise<readonly TenantId[]> {
    return (await this.#documents.read(platform, Lists, nameOf(subject)))?.body.tenants ?? [];
  }

  /** Before a membership is written: nobody who is a member is ever missing here. */
  enter(platform: PlatformScope, tenantId: TenantId, subject: string): Promise<void> {
    return this.#change(platform, subject, async (tenants) => (tenants.includes(tenantId) ? undefined : [...tenants, tenantId]));
  }

  /**
   * After a membership has changed. `holds` is asked behind the reading of the list, and the list is written whatever it says: of two that
   * settle the same membership at once, the one that asked too early finds the list changed and asks again.
   */
  settle(platform: PlatformScope, tenantId: TenantId, subject: string, holds: () => Promise<boolean>): Promise<void> {
    return this.#change(platform, subject, async (tenants) => {
      const others = tenants.filter((each) => each !== tenantId);
      return (await holds()) ? (others.length < tenants.length ? tenants : [...tenants, tenantId]) : others;
    });
  }

  async #change(platform: PlatformScope, subject: string, next: (tenants: TenantId[]) => Promise<TenantId[] | undefined>): Promise<void> {
    const name = nameOf(subject);
    for (let count = 0; count < tries; count++) {
      const stored = await this.#documents.read(platform, Lists, name);
      const tenants = (await next(stored?.body.tenants ?? []))?.slice(0, maxTenants);
      if (tenants === undefined || (!stored && tenants.length === 0)) return;
      const done = stored
        ? await this.#documents.replace(platform, Lists, stored, { tenants })
        : await this.#documents.create(platform, Lists, name, { tenants });
      if (done) return;
    }
    throw new DependencyError('cosmos', 'too many changes of one person at once');
  }
}

function nameOf(subject: string): string {
  return createHash('sha256').update(subject).digest('base64url');
}
