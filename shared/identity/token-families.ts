// Families of tokens: what one grant gave, and every renewal of it. The family is what access tokens are checked against; the turn, which changes at
// each renewal and is never remembered, says which refresh token is the current one (docs/decisions/008).
import { timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import { TenantId } from '../scope/ids.ts';
import { CandidateScope, TenantScope } from '../scope/maker.ts';
import { create, type DocumentKind, type RememberedKind, remove, replace, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { makeRefresh, type RefreshText, readRefresh } from './refresh-text.ts';
import { type Scope, tenantScopes } from './scopes.ts';

const Family = z.strictObject({ keyId: z.string(), scopes: z.array(z.enum(tenantScopes)), createdAt: z.iso.datetime() });
export type Family = z.infer<typeof Family>;

const bucket = 'tokens';
export const Families: RememberedKind<Family> = {
  container: 'work',
  bucket,
  type: 'token-family',
  schema: Family,
  remembered: true,
  unguessable: true,
  proof: true,
};

const Turn = z.strictObject({ seed: z.string(), current: z.string() });
type Turn = z.infer<typeof Turn>;
const Turns: DocumentKind<Turn> = { container: 'work', bucket, type: 'refresh-turn', schema: Turn, proof: true };

/** From the grant; renewing does not prolong it. */
const familySeconds = 30 * 86_400;
/** The family outlives its last access token. */
const keptSeconds = familySeconds + 3_600;

/** A refresh token that was once issued. */
export interface Held {
  readonly scope: TenantScope;
  readonly id: string;
  readonly family: Family;
  /** False for one that was used before. */
  readonly isCurrent: boolean;
  readonly turn: Stored<Turn>;
  readonly text: RefreshText;
}

export class TokenFamilies {
  readonly #store: TenantStore;

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /** A name for a family, and its first refresh token, which counts once it has begun. */
  prepare(tenantId: TenantId): RefreshText & { readonly text: string } {
    return makeRefresh(tenantId);
  }

  async begin(scope: TenantScope, keyId: string, scopes: readonly Scope[], { family, seedSha256, sha256 }: RefreshText): Promise<void> {
    const outcome = await this.#store
      .of(scope)
      .commit([
        create(Families, family, { keyId, scopes: [...scopes], createdAt: iso() }, keptSeconds),
        create(Turns, family, { seed: seedSha256, current: sha256 }, keptSeconds),
      ]);
    if (!outcome.done) throw new Error('two families have one name');
  }

  /** What a text is, if it is a refresh token, current or not, of a family that is still there. */
  async find(text: string): Promise<Held | undefined> {
    const read = readRefresh(text);
    const claimed = TenantId.safeParse(read?.tenantId);
    if (!read || !claimed.success) return undefined;
    const candidate = new CandidateScope(claimed.data);
    const [family, turn] = await Promise.all([
      this.#store.verify(candidate, Families, read.family),
      this.#store.look(candidate, Turns, read.family),
    ]);
    if (!family || !turn || !isSame(turn.body.seed, read.seedSha256) || secondsLeft(family) <= 0) return undefined;
    return {
      scope: new TenantScope(claimed.data, 'ticket'),
      id: read.family,
      family,
      isCurrent: isSame(turn.body.current, read.sha256),
      turn,
      text: read,
    };
  }

  /** Uses a current refresh token up and gives the next; undefined when somebody else has used it since it was found. */
  async renew({ scope, turn, text, family }: Held): Promise<string | undefined> {
    const next = makeRefresh(scope.tenantId, text);
    const body: Turn = { ...turn.body, current: next.sha256 };
    const outcome = await this.#store.of(scope).commit([replace(Turns, turn, body, secondsLeft(family) + 3_600)]);
    return outcome.done ? next.text : undefined;
  }

  /** Ends every token of a family: here at once, elsewhere within 2 s. Safe to repeat. */
  async end(scope: TenantScope, id: string): Promise<void> {
    await this.#store.of(scope).commit([remove(Families, id)]);
    await this.#store.of(scope).commit([remove(Turns, id)]);
  }
}

function secondsLeft({ createdAt }: Family): number {
  return Math.ceil((Date.parse(createdAt) - now()) / 1_000) + familySeconds;
}

function isSame(stored: string, given: string): boolean {
  return stored.length === given.length && timingSafeEqual(Buffer.from(stored), Buffer.from(given));
}
