// The platform team's keys. Their hashes are settings, so that the first key needs no other key to be made.
import { timingSafeEqual } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { Problem } from '../errors/problem.ts';
import type { PlatformScope } from '../scope/scope.ts';
import type { AuthFailures } from './auth-failures.ts';
import type { Presented, Provider } from './authenticate.ts';
import type { PlatformIdentity } from './identity.ts';
import { readKey } from './key-text.ts';
import { type PlatformRight, platformScopes } from './scopes.ts';

const rights: Readonly<Record<PlatformIdentity['role'], readonly PlatformRight[]>> = {
  'platform-admin': platformScopes,
  'platform-auditor': ['platform:read'],
};

export class PlatformKeyCheck implements Provider {
  readonly #keys: readonly { readonly hash: Buffer; readonly role: PlatformIdentity['role'] }[];
  readonly #platform: PlatformScope;
  readonly #failures: AuthFailures;

  /** A key that both settings name is an admin's. */
  constructor(config: Config, platform: PlatformScope, failures: AuthFailures) {
    const keysOf = (hashes: readonly string[], role: PlatformIdentity['role']) => hashes.map((hash) => ({ hash: Buffer.from(hash), role }));
    this.#keys = [...keysOf(config.platformKeys, 'platform-admin'), ...keysOf(config.platformAuditorKeys, 'platform-auditor')];
    this.#platform = platform;
    this.#failures = failures;
  }

  identify(presented: Presented): PlatformIdentity | Problem | undefined {
    const { credential } = presented;
    const key = credential?.startsWith('fg_platform_') ? readKey(credential) : undefined;
    if (!key) return undefined;
    const sha256 = Buffer.from(key.sha256);
    const known = this.#keys.find(({ hash }) => timingSafeEqual(hash, sha256));
    if (!known) return this.#failures.record(presented, { code: 'key_unknown', entity: { type: 'key', id: key.keyId } });
    return {
      kind: 'platform',
      platform: this.#platform,
      subject: key.keyId,
      method: 'platform-key',
      role: known.role,
      scopes: new Set(rights[known.role]),
    };
  }
}
