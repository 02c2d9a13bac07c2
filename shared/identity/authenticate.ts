// The auth chain: what a request presents, and the first provider that knows it.
import type { Identity } from './identity.ts';

/** One kind of credential. Answers undefined for what it does not know or does not accept; throws a DependencyError when it cannot tell. */
export interface Provider {
  identify(credential: string): Promise<Identity | undefined> | Identity | undefined;
}

/** A credential as it was sent. */
export interface Presented {
  readonly authorization: string | null;
  readonly apiKey: string | null;
}

export class Authenticator {
  readonly #providers: readonly Provider[];

  constructor(providers: readonly Provider[]) {
    this.#providers = providers;
  }

  /** The identity the credential proves; undefined when there is none, when it proves nothing, or when two differing ones were sent. */
  async identify(presented: Presented): Promise<Identity | undefined> {
    const credential = credentialOf(presented);
    if (credential === undefined) return undefined;
    for (const provider of this.#providers) {
      const identity = await provider.identify(credential);
      if (identity) return identity;
    }
    return undefined;
  }
}

function credentialOf({ authorization, apiKey }: Presented): string | undefined {
  const bearer = authorization === null ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (authorization !== null && bearer === undefined) return undefined;
  if (bearer !== undefined && apiKey !== null && bearer !== apiKey) return undefined;
  return bearer ?? apiKey ?? undefined;
}
