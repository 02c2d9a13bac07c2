// The keys that open messages to this agent: the one it was started with, and those that registration names since.
import { maxAgeMs } from '../shared/messaging/envelope.ts';
import type { VerificationKey } from '../shared/messaging/signature.ts';

interface NamedKey {
  readonly keyId: string;
  /** base64url; only an identity bound to the agent is told. */
  readonly key?: string;
}

/** `signing` in the answer of a registration (api.md, Registry): all the keys in force. */
export interface SigningAnswer extends NamedKey {
  readonly previous?: NamedKey & { readonly verifiesUntil: string };
  readonly next?: NamedKey & { readonly signsFrom: string };
}

interface Kept extends VerificationKey {
  /** Milliseconds since the epoch; absent while nothing follows it. */
  readonly until?: number;
}

/** Clocks differ by this much. */
const lagMs = 5 * 60_000;

export class KeyRing {
  #keys: readonly Kept[];

  constructor(first: VerificationKey) {
    this.#keys = [first];
  }

  /** Those in force, for `verifyEnvelope`. */
  get keys(): VerificationKey[] {
    const now = Date.now();
    return this.#keys.filter(({ until }) => until === undefined || until > now);
  }

  knows(keyId: string): boolean {
    return this.keys.some((key) => key.keyId === keyId);
  }

  /** Takes what a registration answered. A key it does not name is out of force; one that another follows verifies until its last message is too old. */
  learn(signing: SigningAnswer): void {
    const { previous, next } = signing;
    this.#keys = [
      ...this.#kept(signing, next && Date.parse(next.signsFrom) + maxAgeMs + lagMs),
      ...(previous ? this.#kept(previous, Date.parse(previous.verifiesUntil)) : []),
      ...(next ? this.#kept(next) : []),
    ];
  }

  #kept({ keyId, key }: NamedKey, until?: number): Kept[] {
    const bytes = key === undefined ? this.#keys.find((each) => each.keyId === keyId)?.key : Buffer.from(key, 'base64url');
    return bytes ? [{ keyId, key: bytes, ...(until !== undefined && { until }) }] : [];
  }
}
