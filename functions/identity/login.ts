// Begins a sign-in: sends the browser to an identity provider.
import * as z from 'zod';
import { forPeople } from '../../shared/context/html.ts';
import { openHttp } from '../../shared/context/http.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { signInCookie } from '../../shared/identity/sign-in.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const login = openHttp({
  name: 'identity-login',
  route: 'GET /auth/login/{provider}',
  summary: 'Begins to sign a person in',
  path: z.object({ provider: z.string().max(20) }),
  query: z.object({ tenant: TenantId.optional().meta({ description: 'The tenant to sign in to, for members of several' }) }),
  answers: { 303: undefined },
  handle: async ({ path, query, exchange }, { signIn }) => {
    const begun = await signIn.begin(path.provider, query.tenant, exchange.ip);
    if (begun instanceof Problem) return forPeople(exchange, begun);
    const cookie = `${signInCookie}=${begun.secret}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax`;
    return { status: 303, raw: null, headers: { location: begun.url.href, 'set-cookie': cookie } };
  },
});
