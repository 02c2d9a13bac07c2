// The caller holds every scope the function names, and is of the kind it is for.
import { Problem } from '../../errors/problem.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Access } from '../contract.ts';
import type { HttpExchange } from '../exchange.ts';

export function holdScopes({ contract, caller }: HttpExchange): Problem | undefined {
  const missing = missingScopes(contract.access, caller);
  if (missing.length === 0) return undefined;
  return new Problem('scope_missing', { detail: `The credential does not hold ${missing.join(' ')}.`, extensions: { missing } });
}

function missingScopes(access: Access, caller: Identity | undefined): readonly string[] {
  if (access.kind === 'anyone' || !caller) return [];
  if (caller.kind === 'platform') {
    // A platform identity never acts as a tenant, whatever it holds.
    if (access.kind === 'tenant') return access.scopes.length > 0 ? access.scopes : ['a scope of a tenant'];
    const wanted = access.kind === 'platform' ? access.scopes : access.platformScopes;
    return wanted.filter((scope) => !caller.scopes.has(scope));
  }
  if (access.kind === 'platform') return access.scopes;
  return access.scopes.filter((scope) => !caller.scopes.has(scope));
}
