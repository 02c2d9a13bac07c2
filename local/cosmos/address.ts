// What a request's path names.
import { badRequest } from './refusal.ts';

export interface Address {
  /** The resource type the signature is over: `dbs`, `colls`, `docs`, …, or nothing for the account. */
  readonly type: string;
  /** The resource link the signature is over. */
  readonly link: string;
  /** The database and container on the way, empty where the path has none. */
  readonly database: string;
  readonly container: string;
  /** The id of the resource itself; none when the path names a feed. */
  readonly id: string | undefined;
  /** `/dbs/x/colls/y/operations/<this>`, which is signed as the container. */
  readonly operation: string | undefined;
}

export function parseAddress(url: string): Address {
  let path = url;
  if (path.includes('?'))
    throw badRequest(`The request path '${path}' has a query string or an id with a '?', which this service does not take.`);
  if (path.includes('%')) path = decode(path);
  const segments = path.split('/').filter((segment) => segment !== '');
  const [, database = '', , container = '', operations, operation] = segments;
  if (operations === 'operations') {
    return { type: 'colls', link: segments.slice(0, 4).join('/'), database, container, id: container, operation };
  }
  const isFeed = segments.length % 2 === 1;
  return {
    type: segments.at(isFeed ? -1 : -2) ?? '',
    link: (isFeed ? segments.slice(0, -1) : segments).join('/'),
    database,
    container,
    id: isFeed ? undefined : segments.at(-1),
    operation: undefined,
  };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw badRequest(`The request path '${path}' is not correctly encoded.`);
  }
}
