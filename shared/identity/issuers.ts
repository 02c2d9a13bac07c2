// The issuers a tenant trusts beside us: whose tokens are taken for it, and what role they give.
import * as z from 'zod';
import { iso } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { TenantScope } from '../scope/scope.ts';
import { put, type RememberedKind, remove, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { roleNames } from './scopes.ts';

const Address = z
  .string()
  .max(500)
  .refine((text) => URL.canParse(text) && !/[?#\s]/.test(text), 'not a URL without query and fragment');
/** A member of the claims by its name, or a path to one with dots between the names. */
const ClaimPath = z.string().regex(/^[\x21-\x7e]{1,200}$/, '1–200 visible characters');

export const IssuerName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,38}[a-z0-9]$/, '2–40 lower-case letters, digits and single inner hyphens')
  .meta({ id: 'IssuerName', example: 'entra' });

export const IssuerOrder = z
  .strictObject({
    issuer: Address.meta({ description: 'The `iss` of its tokens, to the letter' }),
    jwksUri: z
      .string()
      .max(500)
      .refine(URL.canParse, 'not a URL')
      .optional()
      .meta({ description: 'Else where its discovery document says' }),
    roleClaim: ClaimPath.optional(),
    roleMap: z
      .record(z.string().min(1).max(200), z.enum(roleNames))
      .refine((map) => Object.keys(map).length <= 50, 'at most 50 entries')
      .optional()
      .meta({ description: 'From values of the claim to roles; `*` is for whoever has none of them. Without a role a token is refused' }),
    groupsClaim: ClaimPath.optional(),
  })
  .meta({ id: 'Issuer' });
export type IssuerOrder = z.infer<typeof IssuerOrder>;

const Issuer = IssuerOrder.extend({ createdAt: z.iso.datetime(), updatedAt: z.iso.datetime() });
export type Issuer = z.infer<typeof Issuer>;

export const Issuers: RememberedKind<Issuer> = { container: 'control', type: 'issuer', schema: Issuer, remembered: true, proof: true };

const maxIssuers = 20;

/** What a write or removal depends on, given what is there now. */
export type Precondition = (stored: Stored<Issuer> | undefined) => Problem | undefined;

interface Services {
  readonly config: Config;
  readonly store: TenantStore;
  readonly ledger: Ledger;
  readonly outbound: Outbound;
}

export class IssuerService {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** In the order of their names, from behind `after`. */
  list(scope: TenantScope, page: { limit: number; after?: string }): Promise<Stored<Issuer>[]> {
    return this.#services.store.of(scope).list(Issuers, page);
  }

  async read(scope: TenantScope, name: string): Promise<Stored<Issuer> | Problem> {
    return (await this.#services.store.of(scope).read(Issuers, name)) ?? new Problem('not_found');
  }

  /** Makes or replaces one. `created` says which it was. */
  async write(
    scope: TenantScope,
    cause: Cause,
    name: string,
    order: IssuerOrder,
    precondition: Precondition,
  ): Promise<{ stored: Stored<Issuer>; created: boolean } | Problem> {
    const { ledger, store } = this.#services;
    const blocked = this.#refusal(order);
    if (blocked) {
      if (blocked.code === 'upstream_blocked') {
        const event = { action: 'issuer.written', entity: { type: 'issuer', id: name }, outcome: 'denied', code: blocked.code } as const;
        ledger.follow(scope, cause, event);
      }
      return blocked;
    }
    const made = await ledger.commit(scope, cause, async (partition) => {
      const all = await partition.list(Issuers);
      const old = all.find((each) => each.name === name);
      const failed = precondition(old);
      if (failed) return failed;
      if (!old && all.length >= maxIssuers) return new Problem('issuers_full');
      if (all.some((each) => each.name !== name && each.body.issuer === order.issuer)) return new Problem('issuer_exists');
      const at = iso();
      return {
        changes: [put(Issuers, name, { ...order, createdAt: old?.body.createdAt ?? at, updatedAt: at })],
        event: {
          action: 'issuer.written',
          entity: { type: 'issuer', id: name },
          ...(old && { old: image(IssuerOrder, old.body) }),
          new: image(IssuerOrder, order),
        },
        result: { created: !old },
      };
    });
    if (made instanceof Problem) return made;
    const stored = await store.of(scope).read(Issuers, name);
    return stored ? { stored, created: made.created } : new Problem('not_found');
  }

  async delete(scope: TenantScope, cause: Cause, name: string, precondition: Precondition): Promise<Problem | undefined> {
    const made = await this.#services.ledger.commit(scope, cause, async (partition) => {
      const old = await partition.read(Issuers, name);
      if (!old) return new Problem('not_found');
      const failed = precondition(old);
      if (failed) return failed;
      return {
        changes: [remove(Issuers, name, old.etag)],
        event: { action: 'issuer.deleted', entity: { type: 'issuer', id: name }, old: image(IssuerOrder, old.body) },
        result: undefined,
      };
    });
    return made instanceof Problem ? made : undefined;
  }

  /** Its addresses are held to the rules for calls to outside, now and again whenever they are called. We are nobody's external issuer. */
  #refusal({ issuer, jwksUri }: IssuerOrder): Problem | undefined {
    const { config, outbound } = this.#services;
    const addresses = { issuer, ...(jwksUri !== undefined && { jwksUri }) };
    for (const [member, address] of Object.entries(addresses)) {
      const url = new URL(address);
      if (url.origin === new URL(config.baseUrl).origin)
        return new Problem('validation_failed', { errors: [{ pointer: `/${member}`, message: 'FlowGrid itself is no external issuer' }] });
      if (!outbound.allows(url)) return new Problem('upstream_blocked', { detail: `\`${member}\` is not a public https address.` });
    }
    return undefined;
  }
}

/** As it is answered. */
export const IssuerView = Issuer.extend({ name: IssuerName }).meta({ id: 'IssuerView' });

export function viewOfIssuer({ name, body }: Stored<Issuer>): z.infer<typeof IssuerView> {
  return { name, ...body };
}
