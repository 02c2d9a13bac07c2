// The platform team's keys. Their hashes are a setting, so that the first key needs no other key to be made.
import { timingSafeEqual } from 'node:crypto';
import type { PlatformScope } from '../scope/scope.ts';
import type { Presented, Provider } from './authenticate.ts';
import type { PlatformIdentity } from './identity.ts';
import { readKey } from './key-text.ts';
import { platformScopes } from './scopes.ts';

export class PlatformKeyCheck implements Provider {
  readonly #hashes: readonly Buffer[];
  readonly #platform: PlatformScope;

  constructor(hashes: readonly string[], platform: PlatformScope) {
    this.#hashes = hashes.map((hash) => Buffer.from(hash));
    this.#platform = platform;
  }

  identify({ credential }: Presented): PlatformIdentity | undefined {
    const key = credential === undefined ? undefined : readKey(credential);
    if (key?.tenantId !== 'platform') return undefined;
    const presented = Buffer.from(key.sha256);
    if (!this.#hashes.some((hash) => timingSafeEqual(hash, presented))) return undefined;
    return {
      kind: 'platform',
      platform: this.#platform,
      subject: key.keyId,
      method: 'platform-key',
      role: 'platform-admin',
      scopes: new Set(platformScopes),
    };
  }
}
