// Signatures of cards (A2A 1.0, 8.4; JWS, RFC 7515), checked when an agent registers. Keys are the tenant's business: those it has pinned, and those of the key
// sets it has listed. What a signature says of where its key is (`jku`) is a stranger's word and only ever looked up in that list.
import * as z from 'zod';
import { Problem } from '../../errors/problem.ts';
import { type Compact, readCompact } from '../../identity/compact.ts';
import type { KeySets } from '../../identity/key-sets.ts';
import { type PublicKey, readPublicKey } from '../../identity/public-jwk.ts';
import { verifyCompact } from '../../identity/verify-compact.ts';
import type { TenantScope } from '../../scope/scope.ts';
import type { Settings, TenantRecords } from '../../tenancy/tenant.ts';
import type { ReadCard } from './card.ts';
import type { Signature } from './schemas.ts';
import { signedForms } from './signed-forms.ts';

/** `unknown_key`: nobody the tenant trusts can say whether it is good. `keyId` is null where the signature names none. */
export const CardSignature = z
  .strictObject({ keyId: z.string().nullable(), status: z.enum(['verified', 'unknown_key']) })
  .meta({ id: 'CardSignature' });
export type CardSignature = z.infer<typeof CardSignature>;

type Outcome = CardSignature | { readonly keyId: string; readonly status: 'bad' };

export class CardSignatures {
  readonly #records: TenantRecords;
  readonly #keySets: KeySets;

  constructor(records: TenantRecords, keySets: KeySets) {
    this.#records = records;
    this.#keySets = keySets;
  }

  /** What can be said of a card's signatures; a Problem when one by a known key does not verify, or when the tenant wants one that does and there is none. */
  async check(scope: TenantScope, card: ReadCard): Promise<CardSignature[] | Problem> {
    const settings = (await this.#records.of(scope))?.settings;
    if (!settings) return new Problem('not_found');
    const forms = signedForms(card);
    const signatures = forms.length === 0 ? [] : signaturesOf(card);
    const outcomes = await Promise.all(signatures.map((each) => this.#checkOne(scope, settings, each, forms)));
    const bad = outcomes.flatMap(({ status }, at) =>
      status === 'bad' ? [{ pointer: `/card/signatures/${at}`, message: 'does not verify by the key it names' }] : [],
    );
    if (bad.length > 0) return new Problem('card_signature_invalid', { errors: bad });
    if (settings.signedCards === 'required' && !outcomes.some(({ status }) => status === 'verified'))
      return new Problem('card_signature_invalid', { detail: 'The tenant takes cards alone that are signed by a key it knows.' });
    return outcomes.flatMap(({ keyId, status }) => (status === 'bad' ? [] : [{ keyId, status }]));
  }

  async #checkOne(scope: TenantScope, settings: Settings, signature: Signature, forms: readonly string[]): Promise<Outcome> {
    // The strict compact form, with the payload left to be put in: the unprotected header is nobody's word and decides nothing.
    const compact = readCompact(`${signature.protected}..${signature.signature}`);
    const kid = compact?.header['kid'];
    if (!compact || typeof kid !== 'string' || kid === '') return { keyId: null, status: 'unknown_key' };
    const keyId = kid.slice(0, 256);
    const keys = await this.#keysFor(scope, settings, compact, kid);
    if (keys.length === 0) return { keyId, status: 'unknown_key' };
    for (const { key } of keys.filter(({ fits }) => fits(compact.header.alg))) {
      for (const form of forms) {
        const signingInput = `${signature.protected}.${Buffer.from(form).toString('base64url')}`;
        if (await verifyCompact({ ...compact, signingInput }, key, [compact.header.alg])) return { keyId, status: 'verified' };
      }
    }
    return { keyId, status: 'bad' };
  }

  /** The pinned keys of this id, whatever their algorithm; else the one of a listed key set. */
  async #keysFor(
    { tenantId }: TenantScope,
    { cardKeys = [], cardKeyUrls = [] }: Settings,
    { header: { alg, jku } }: Compact,
    kid: string,
  ): Promise<Pick<PublicKey, 'fits' | 'key'>[]> {
    const pinned = cardKeys.filter((jwk) => jwk.kid === kid).flatMap((jwk) => readPublicKey(jwk) ?? []);
    if (pinned.length > 0 || typeof jku !== 'string' || !cardKeyUrls.includes(jku)) return pinned;
    const key = await this.#keySets.find(tenantId, { issuer: jku, jwksUri: jku }, { kid, alg });
    return key ? [{ key, fits: () => true }] : [];
  }
}

function signaturesOf({ original }: ReadCard): Signature[] {
  // `readCard` has held it to the schema of its version.
  return (original['signatures'] ?? []) as Signature[];
}
