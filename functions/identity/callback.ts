// Finishes a sign-in: the identity provider has sent the browser back, with a code and the state it was given.
import * as z from 'zod';
import { forPeople, html, htmlReply } from '../../shared/context/html.ts';
import { openHttp } from '../../shared/context/http.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { sessionCookie } from '../../shared/identity/sessions.ts';
import { signInCookie } from '../../shared/identity/sign-in.ts';

export const callback = openHttp({
  name: 'identity-callback',
  route: 'GET /auth/callback/{provider}',
  summary: 'Signs a person in',
  path: z.object({ provider: z.string().max(20) }),
  query: z.looseObject({ state: z.string().max(200).optional(), code: z.string().max(8_192).optional() }),
  answers: { 200: 'text/html' },
  handle: async ({ path, exchange }, { signIn }) => {
    const { requestId, trace, ip, url, cookies } = exchange;
    const request = { requestId, traceId: trace.traceId, ...(ip !== undefined && { ip }) };
    const signedIn = await signIn.finish(path.provider, url.searchParams, cookies.get(signInCookie), request);
    if (signedIn instanceof Problem) return forPeople(exchange, signedIn);
    const { name = signedIn.profile.sub } = signedIn.profile;
    if (signedIn.kind === 'choice') {
      const links = signedIn.tenants.map((tenant) => html`<li><a href="/auth/login/${path.provider}?tenant=${tenant}">${tenant}</a></li>`);
      return htmlReply(200, 'Choose a tenant', html`<p>Hello ${name}. You are a member of several tenants:</p><ul>${links}</ul>`);
    }
    const { tenantId, member, cookie } = signedIn;
    const body = html`<p>Hello ${name}. You are signed in to <b>${tenantId}</b> as ${member.role}.</p><form method="post" action="/auth/logout"><button>Sign out</button></form>`;
    return htmlReply(200, 'Signed in', body, { 'set-cookie': `${sessionCookie}=${cookie}; Path=/; Secure; HttpOnly; SameSite=Lax` });
  },
});
