// The scope types and the checks that tell a scope from what only looks like one, without the makers.
import type { TenantId } from './ids.ts';
import { CandidateScope, PlatformScope, TenantScope } from './maker.ts';

export type { CandidateScope, PlatformScope, ScopeOrigin, TenantScope } from './maker.ts';

/** The tenant whose data this scope is the right to. Throws a TypeError on what is not a TenantScope, whatever it looks like. */
export function tenantOf(scope: TenantScope): TenantId {
  return TenantScope.tenantOf(scope);
}

/** The tenant that is claimed or proved. Throws a TypeError on what is neither a CandidateScope nor a TenantScope. */
export function claimedBy(scope: CandidateScope | TenantScope): TenantId {
  return CandidateScope.claimedBy(scope);
}

/** Throws a TypeError on what is not a PlatformScope. */
export function verifyPlatform(scope: PlatformScope): void {
  PlatformScope.verify(scope);
}
