// The keys that open messages to this agent: the one it was started with, and those that registration names since.
import { maxAgeMs } from '../shared/messaging/envelope.ts';
import type { VerificationKey } from '../shared/messaging/signature.ts';

/** `signing` in the answer of a registration (api.md, Registry); `key` is base64url. */
export interface SigningAnswer {
  readonly keyId: string;
  readonly key?: string;
  /** Verifies what still lies in queues. */
  readonly previous?: { readonly keyId: string; readonly key?: string };
  /** Signs some time from now. */
  readonly next?: { readonly keyId: string; readonly key?: string };
}

interface Kept extends VerificationKey {
  /** Milliseconds since the epoch; absent while registration names it. */
  readonly until?: number;
}

/** FlowGrid never has more than two in force, and a third that verifies what is left in queues. */
const most = 4;

export class KeyRing {
  readonly #keys = new Map<string, Kept>();

  constructor(first: VerificationKey) {
    this.#keys.set(first.keyId, first);
  }

  /** Those in force, for `verifyEnvelope`. */
  get keys(): VerificationKey[] {
    const now = Date.now();
    return [...this.#keys.values()].filter(({ until }) => until === undefined || until > now);
  }

  knows(keyId: string): boolean {
    return this.keys.some((key) => key.keyId === keyId);
  }

  /** Takes what a registration answered. A key it no longer names has signed its last, and the last of that is too old in a day. */
  learn(answer: SigningAnswer): void {
    const named = [answer, answer.previous, answer.next].filter((each) => each !== undefined);
    for (const { keyId, key } of named) {
      const known = this.#keys.get(keyId);
      this.#keys.delete(keyId);
      if (key !== undefined) this.#keys.set(keyId, { keyId, key: Buffer.from(key, 'base64url') });
      else if (known) this.#keys.set(keyId, { keyId, key: known.key });
    }
    for (const { keyId, key, until } of [...this.#keys.values()])
      if (until === undefined && !named.some((each) => each.keyId === keyId))
        this.#keys.set(keyId, { keyId, key, until: Date.now() + maxAgeMs });
    for (const keyId of [...this.#keys.keys()].slice(0, -most)) this.#keys.delete(keyId);
  }
}
