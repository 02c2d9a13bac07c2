// Signs a person out: ends the session of the cookie, and the cookie. Without one there is nothing to end, and that is well too.
import { forPeople, html, htmlReply, wantsHtml } from '../../shared/context/html.ts';
import { openHttp } from '../../shared/context/http.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { sessionCookie } from '../../shared/identity/sessions.ts';

export const logout = openHttp({
  name: 'identity-logout',
  route: 'POST /auth/logout',
  summary: 'Signs a person out',
  answers: { 200: 'text/html', 204: undefined },
  replays: false,
  handle: async ({ exchange }, { sessions }) => {
    const { requestId, trace, ip, cookies } = exchange;
    const cookie = cookies.get(sessionCookie);
    const headers = { 'set-cookie': `${sessionCookie}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax` };
    if (cookie !== undefined) {
      if (!sessions.isOwnOrigin(exchange.request.headers.get('origin') ?? undefined))
        return forPeople(exchange, new Problem('origin_mismatch'));
      await sessions.end(cookie, { requestId, traceId: trace.traceId, ...(ip !== undefined && { ip }) });
    }
    if (!wantsHtml(exchange)) return { status: 204, raw: null, headers };
    return htmlReply(200, 'Signed out', html`<p>You are signed out.</p>`, headers);
  },
});
