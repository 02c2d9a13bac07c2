// What the host hands to the library of a request's headers, query and route, with the real host's way of joining what is repeated.
import type { IncomingMessage } from 'node:http';
import type { TypedData } from './core-module.ts';

/** Every header once, its name in lower case, repeated ones joined by a comma in their order. */
export function joinedHeaders(request: IncomingMessage): Record<string, string> {
  const { rawHeaders } = request;
  if (Object.keys(request.headers).length * 2 === rawHeaders.length && !request.headers['set-cookie']) {
    return request.headers as Record<string, string>; // none is repeated, so none is an array or joined in Node's own way
  }
  const headers: Record<string, string> = Object.create(null);
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    headers[name] = name in headers ? `${headers[name]},${value}` : value;
  }
  return headers;
}

/** Query parameters by name, ignoring case, as first spelled; repeated ones are joined by a comma (azure-functions-nodejs-library#168). */
export function joinedQuery(query: string): Record<string, string> {
  if (query.length < 2) return {};
  return Object.fromEntries(caseless(new URLSearchParams(query)).values());
}

/**
 * The binding data of a streamed request, from which the library takes its headers and route parameters: `Headers` and one string a
 * parameter, and, as the real host keeps all in one dictionary that ignores case, one string a query parameter. So a query shows up in
 * `request.params` beside the route's values (which win, but keep the query's spelling), and a query parameter `headers` displaces the headers.
 */
export function bindingStrings(
  query: string,
  params: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
): Record<string, TypedData> {
  const data: Record<string, TypedData> = {};
  if (query.length < 2) {
    for (const name in params) data[name] = { string: params[name] ?? '' };
    data['Headers'] = { json: JSON.stringify(headers) };
    return data;
  }
  const strings = caseless(new URLSearchParams(query));
  strings.delete('code');
  for (const [name, value] of Object.entries(params))
    strings.set(name.toLowerCase(), [strings.get(name.toLowerCase())?.[0] ?? name, value]);
  for (const [name, value] of strings.values()) data[name] = { string: value };
  if (!strings.has('headers')) data['Headers'] = { json: JSON.stringify(headers) };
  return data;
}

/** By lower-cased name: the name as first spelled and all its values. */
function caseless(search: URLSearchParams): Map<string, [name: string, value: string]> {
  const strings = new Map<string, [string, string]>();
  for (const [name, value] of search) {
    const known = strings.get(name.toLowerCase());
    if (known) known[1] += `,${value}`;
    else strings.set(name.toLowerCase(), [name, value]);
  }
  return strings;
}
