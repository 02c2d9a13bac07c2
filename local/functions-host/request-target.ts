// The path and query of a request line, read as Kestrel reads them before the functions' routes see the path.

export interface RequestTarget {
  /** Decoded, but for %2F and for escapes that are not UTF-8; without dot segments. */
  readonly path: string;
  /** The path as the function's `request.url` shows it: encoded again. */
  readonly urlPath: string;
  /** With its question mark; empty without one. */
  readonly query: string;
}

const utf8 = /%[0-7][0-9a-f]|%[cd][0-9a-f]%[89ab][0-9a-f]|%e[0-9a-f](?:%[89ab][0-9a-f]){2}|%f[0-7](?:%[89ab][0-9a-f]){3}/gi;

/** Undefined where Kestrel answers 400: not an origin or absolute form, or a path with an encoded NUL. */
export function readRequestTarget(target: string): RequestTarget | undefined {
  const start = target.startsWith('/') ? 0 : pathOfAbsoluteForm(target);
  if (start < 0) return undefined;
  const mark = target.indexOf('?', start);
  const raw = mark < 0 ? target.slice(start) : target.slice(start, mark);
  const query = mark < 0 ? '' : target.slice(mark);
  if (!raw.includes('%') && !raw.includes('/.')) return { path: raw || '/', urlPath: raw || '/', query };
  if (/%00/.test(raw)) return undefined;
  const path = withoutDotSegments(raw.replace(utf8, decode));
  return { path, urlPath: path.replace(/%(?![0-9a-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]+/gi, encodeURIComponent), query };
}

function decode(octets: string): string {
  if (octets.toLowerCase() === '%2f') return octets;
  try {
    return decodeURIComponent(octets);
  } catch {
    return octets;
  }
}

function pathOfAbsoluteForm(target: string): number {
  const match = /^https?:\/\/[^/?]*/i.exec(target);
  return match ? match[0].length : -1;
}

/** RFC 3986, 5.2.4. */
function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
    if (last && (segment === '.' || segment === '..')) kept.push('');
  }
  return `/${kept.join('/')}`;
}
