// The scope types, without their makers.
export type { CandidateScope, PlatformScope, ScopeOrigin, TenantScope } from './maker.ts';
