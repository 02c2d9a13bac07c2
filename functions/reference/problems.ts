// What a problem's `type` leads to: its explanation and what to do about it.
import * as z from 'zod';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { explain, isProblemCode } from '../../shared/errors/catalogue.ts';
import { Problem } from '../../shared/errors/problem.ts';

const Explanation = z.object({
  code: z.string(),
  status: z.int(),
  title: z.string(),
  explanation: z.string(),
  remedy: z.string(),
  retry: z.boolean(),
});

export const problems = openHttp({
  name: 'reference-problems',
  route: 'GET /problems/{code}',
  summary: 'Explains a problem code',
  path: z.object({ code: z.string() }),
  answers: { 200: Explanation },
  handle: ({ path: { code }, exchange }) => {
    if (!isProblemCode(code)) return new Problem('not_found');
    const { status, title, explanation, remedy, retry = false } = explain(code);
    const headers = { 'cache-control': 'public, max-age=3600', vary: 'Accept' };
    if (!exchange.request.headers.get('accept')?.includes('text/html'))
      return reply(200, { code, status, title, explanation, remedy, retry }, headers);
    const raw = page(`${title} · FlowGrid`, [
      `<h1>${status} ${title}</h1>`,
      `<p><code>${code}</code></p>`,
      `<p>${asHtml(explanation)}</p>`,
      `<h2>What to do</h2><p>${asHtml(remedy)}</p>`,
    ]);
    return { status: 200, raw, headers: { ...headers, 'content-type': 'text/html; charset=utf-8' } };
  },
});

function page(title: string, parts: readonly string[]): string {
  const style =
    'body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em;color:#222}code{background:#f2f2f2;padding:.1em .4em}';
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style>${parts.join('')}</html>`;
}

function asHtml(text: string): string {
  return text
    .replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character] ?? '')
    .replace(/`([^`]+)`/g, '<code>$1</code>');
}
