// How people sign in: begun here, proved by an identity provider, and finished in the same browser, once, within ten minutes.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { TenantId } from '../scope/ids.ts';
import type { PlatformScope } from '../scope/scope.ts';
import { create, type DocumentKind, remove } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Member } from '../tenancy/members.ts';
import type { Memberships } from '../tenancy/memberships.ts';
import type { SessionService } from './sessions.ts';
import { type Profile, SignInProvider } from './sign-in-provider.ts';
import { SourceThrottle } from './throttle.ts';

const Ticket = z.strictObject({
  provider: z.string(),
  tenant: TenantId.optional(),
  /** Base64 SHA-256 of the secret in the browser's cookie. */
  browser: z.string(),
  redirectUri: z.string(),
  startedAt: z.iso.datetime(),
});
type Ticket = z.infer<typeof Ticket>;

/** Sign-ins that were begun, in the platform's own partition, under the hash of their state. */
const SignIns: DocumentKind<Ticket> = { container: 'work', bucket: 'sign-in', type: 'sign-in', schema: Ticket };

const ticketMs = 600_000;

export const signInCookie = '__Host-flowgrid-sign-in';

/** The end of a sign-in: a session in one tenant, or the tenants there are to choose from. */
export type SignedIn =
  | { readonly kind: 'session'; readonly cookie: string; readonly tenantId: TenantId; readonly member: Member; readonly profile: Profile }
  | { readonly kind: 'choice'; readonly tenants: readonly TenantId[]; readonly profile: Profile };

interface Services {
  readonly config: Config;
  readonly store: TenantStore;
  readonly ledger: Ledger;
  readonly platform: PlatformScope;
  readonly outbound: Outbound;
  readonly sessions: SessionService;
  readonly memberships: Memberships;
}

export class SignIn {
  readonly #services: Services;
  readonly #providers: readonly SignInProvider[];
  /** Whoever begins a sign-in is nobody yet, and each is a document for ten minutes. */
  readonly #throttle = new SourceThrottle('Too many sign-ins were begun from your address.');

  constructor(services: Services) {
    const { config, outbound } = services;
    this.#services = services;
    this.#providers = config.signIn.map((settings) => new SignInProvider(settings, outbound, config.outboundLoopback));
  }

  /** Where to send the browser, and the secret it must keep for the way back. The tenant is not looked at before somebody has signed in. */
  async begin(providerName: string, tenant: TenantId | undefined, ip: string | undefined): Promise<{ url: URL; secret: string } | Problem> {
    const { config, store, platform } = this.#services;
    const provider = this.#provider(providerName);
    if (!provider) return new Problem('not_found');
    const slowed = this.#throttle.slowed(ip);
    if (slowed) return slowed;
    this.#throttle.count(ip);
    const secret = randomBytes(32).toString('base64url');
    const state = randomBytes(32).toString('base64url');
    const redirectUri = `${config.baseUrl}/auth/callback/${provider.name}`;
    const url = await provider.authorizationUrl({ state, secret, redirectUri });
    if (url instanceof Problem) return url;
    const browser = digest(secret).toString('base64');
    const ticket = { provider: provider.name, ...(tenant !== undefined && { tenant }), browser, redirectUri, startedAt: iso() };
    await store.of(platform.own).commit([create(SignIns, nameOf(state), ticket, ticketMs / 1_000)]);
    return { url, secret };
  }

  /** What comes of the provider's answer. `secret` is what the browser kept. */
  async finish(
    providerName: string,
    parameters: URLSearchParams,
    secret: string | undefined,
    request: Omit<Cause, 'actor'>,
  ): Promise<SignedIn | Problem> {
    const provider = this.#provider(providerName);
    if (!provider) return new Problem('not_found');
    const state = parameters.get('state');
    if (state === null || secret === undefined) return new Problem('sign_in_invalid');
    const ticket = await this.#redeem(provider.name, state, secret);
    if (!ticket) return new Problem('sign_in_invalid');
    const profile = await provider.profile({ state, secret, redirectUri: ticket.redirectUri }, parameters);
    if (profile instanceof Problem) {
      this.#recordFailure(request, provider.name, profile);
      return profile;
    }
    return this.#enter(provider.name, profile, ticket.tenant, request);
  }

  async #enter(
    provider: string,
    profile: Profile,
    wanted: TenantId | undefined,
    request: Omit<Cause, 'actor'>,
  ): Promise<SignedIn | Problem> {
    const { sessions, memberships, platform } = this.#services;
    const names = this.#namesOf(provider, profile);
    const lists = wanted === undefined ? await Promise.all(names.map((name) => memberships.of(platform, name))) : [[wanted]];
    const found: { tenantId: TenantId; member: Member }[] = [];
    for (const tenantId of new Set(lists.flat())) {
      const member = await sessions.memberOf(tenantId, names);
      if (member) found.push({ tenantId, member });
    }
    const [first, second] = found;
    if (!first) {
      const problem = new Problem('not_a_member', { detail: `No membership there is for ${names.join(' or ')}.` });
      this.#recordFailure(request, `${provider}:${profile.sub}`, problem);
      return problem;
    }
    if (second) return { kind: 'choice', tenants: found.map(({ tenantId }) => tenantId), profile };
    const { name, email } = profile;
    const person = { provider, ...(name !== undefined && { name }), ...(email !== undefined && { email }) };
    return { kind: 'session', cookie: await sessions.start(first.tenantId, first.member, person, request), ...first, profile };
  }

  /**
   * The names a tenant may know this person by, the surest first: `{provider}:{sub}`; the bare `sub` of the home provider (the first in the
   * settings), unless it could be read as one of the other names; the e-mail address, when the provider has verified it.
   */
  #namesOf(provider: string, { sub, email }: Profile): string[] {
    const isHome = provider === this.#providers[0]?.name && !/[:@]/.test(sub);
    return [`${provider}:${sub}`, ...(isHome ? [sub] : []), ...(email === undefined ? [] : [email])];
  }

  /** Takes the ticket, once. Whoever does not have the browser's secret cannot use it up. */
  async #redeem(provider: string, state: string, secret: string): Promise<Ticket | undefined> {
    const partition = this.#services.store.of(this.#services.platform.own);
    const stored = await partition.read(SignIns, nameOf(state));
    if (!stored || stored.body.provider !== provider || now() - Date.parse(stored.body.startedAt) >= ticketMs) return undefined;
    if (!timingSafeEqual(Buffer.from(stored.body.browser, 'base64'), digest(secret))) return undefined;
    const taken = await partition.commit([remove(SignIns, stored.name, stored.etag)]);
    return taken.done ? stored.body : undefined;
  }

  #provider(name: string): SignInProvider | undefined {
    return this.#providers.find((provider) => provider.name === name);
  }

  /** In the platform's ledger: nobody who is let in nowhere makes a tenant's grow. */
  #recordFailure(request: Omit<Cause, 'actor'>, who: string, problem: Problem): void {
    const { ledger, platform } = this.#services;
    const cause: Cause = { ...request, actor: { type: 'unknown', id: who, method: 'none' } };
    ledger.follow(platform.own, cause, {
      action: 'auth.failed',
      entity: { type: 'sign-in', id: who },
      outcome: 'denied',
      code: problem.code,
    });
  }
}

function nameOf(state: string): string {
  return digest(state).toString('base64url');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
