// The response of a function in buffered mode, written as the real host writes it (RawScriptResult, ASP.NET Core's response cookies).
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { HttpCookie, HttpData, TypedData } from './core-module.ts';

/** Answers what a function returned; nothing returned is 204, as in the real host. */
export function writeHttpResponse(response: ServerResponse, returned: TypedData | null | undefined): void {
  if (!returned) {
    writeStatus(response, 204);
    return;
  }
  if (!returned.http) throw new Error('The function returned something that is not an HTTP response.');
  if (returned.http.enableContentNegotiation) throw new Error('enableContentNegotiation is not modelled by the local host.');
  const { http } = returned;
  const status = Number(http.statusCode);
  const headers: OutgoingHttpHeaders = http.headers ?? {}; // made for this response by the library
  if (headers['transfer-encoding'] !== undefined) delete headers['transfer-encoding'];
  if (http.cookies?.length)
    headers['set-cookie'] = [...[headers['set-cookie'] ?? []].flat(), ...http.cookies.map(serializeCookie)] as string[];
  const body = bytesOf(http);
  if (status === 204 || status === 304) delete headers['content-length'];
  else if (response.req.method !== 'HEAD' || headers['content-length'] === undefined) headers['content-length'] = body.length;
  response.writeHead(status, headers);
  // As text a small body leaves in one piece with the head.
  if (body.length < 4_096) response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'), 'latin1');
  else response.end(body);
}

export function writeStatus(response: ServerResponse, status: number): void {
  response.writeHead(status, status === 204 ? {} : { 'content-length': 0 }).end();
}

function bytesOf(http: HttpData): Uint8Array {
  if (!http.body) return new Uint8Array();
  if (!http.body.bytes) throw new Error('The library gave a body that is not bytes.');
  return http.body.bytes;
}

/** RFC 6265, 4.1; attributes in ASP.NET Core's order and spelling, name and value percent-encoded, the path `/` unless given. */
export function serializeCookie(cookie: HttpCookie): string {
  let text = `${escapeData(cookie.name)}=${escapeData(cookie.value)}`;
  if (cookie.expires) text += `; expires=${new Date(cookie.expires.value.seconds * 1_000).toUTCString()}`;
  if (cookie.maxAge) text += `; max-age=${Math.trunc(cookie.maxAge.value)}`;
  if (cookie.domain?.value) text += `; domain=${attribute(cookie.domain.value)}`;
  text += `; path=${attribute(cookie.path ? cookie.path.value : '/')}`;
  if (cookie.secure?.value) text += '; secure';
  if (cookie.sameSite !== 'none') text += `; samesite=${cookie.sameSite === 'explicitNone' ? 'none' : cookie.sameSite}`;
  if (cookie.httpOnly?.value) text += '; httponly';
  return text;
}

/** .NET's Uri.EscapeDataString. */
function escapeData(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function attribute(value: string): string {
  if (/[;\r\n]/.test(value)) throw new Error('A cookie attribute must not hold a semicolon or a line break.');
  return value;
}
