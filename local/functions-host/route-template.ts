// Route templates as ASP.NET Core reads them (RoutePatternParser, RoutePatternMatcher), as far as function routes use them: literals and
// whole-segment parameters with the constraints listed here. Anything else is refused when the host starts.

interface Literal {
  readonly text: string;
}

interface Parameter {
  readonly name: string;
  readonly optional: boolean;
  readonly catchAll: boolean;
  readonly accepts: readonly ((value: string) => boolean)[];
}

export interface RouteTemplate {
  readonly segments: readonly (Literal | Parameter)[];
  /** The fewest and the most path segments it can match. */
  readonly least: number;
  readonly most: number;
}

const hex = (dash: '-' | '') => `[0-9a-f]{8}${dash}([0-9a-f]{4}${dash}){3}[0-9a-f]{12}`;
const guid = new RegExp(`^\\s*(${hex('')}|${hex('-')}|\\{${hex('-')}\\}|\\(${hex('-')}\\))\\s*$`, 'i');
const constraints: Readonly<Record<string, { takes: readonly number[]; test(value: string, least: number, most: number): boolean }>> = {
  int: { takes: [0], test: (value) => /^\s*[+-]?\d+\s*$/.test(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31 },
  guid: { takes: [0], test: (value) => guid.test(value) },
  alpha: { takes: [0], test: (value) => /^[a-z]*$/i.test(value) },
  length: { takes: [1, 2], test: (value, least, most) => value.length >= least && value.length <= most },
  minlength: { takes: [1], test: (value, least) => value.length >= least },
  maxlength: { takes: [1], test: (value, _, most) => value.length <= most },
};

/** Throws, saying what is wrong, for a template ASP.NET Core refuses or this host does not model. */
export function parseRouteTemplate(template: string): RouteTemplate {
  if (/^[/~]/.test(template)) throw new Error(`the route "${template}" must not begin with "/" or "~"`);
  const segments = template.replace(/\/$/, '').split('/').map(parseSegment);
  const names = segments.flatMap((segment) => ('name' in segment ? [segment.name.toLowerCase()] : []));
  if (new Set(names).size < names.length) throw new Error(`the route "${template}" uses a parameter name twice`);
  const catchAll = segments.findIndex((segment) => 'name' in segment && segment.catchAll);
  if (catchAll >= 0 && catchAll < segments.length - 1) throw new Error(`in the route "${template}" a catch-all parameter must come last`);
  const required = segments.findLastIndex((segment) => !('name' in segment) || !(segment.optional || segment.catchAll));
  return { segments, least: required + 1, most: catchAll < 0 ? segments.length : Number.POSITIVE_INFINITY };
}

function parseSegment(segment: string): Literal | Parameter {
  if (/^[^{}?*]+$/.test(segment)) return { text: segment.toLowerCase() };
  const match = /^\{(\*{0,2})([^{}/?*:=]+)((?::[^{}:=?]+)*)(\??)\}$/.exec(segment);
  if (!match)
    throw new Error(`the route segment "${segment}" is not modelled: use a literal, {name}, {name?}, {name:constraint} or {*name}`);
  const [, stars = '', name = '', rules = '', optional = ''] = match;
  return { name, optional: optional !== '', catchAll: stars !== '', accepts: rules.split(':').slice(1).map(parseConstraint) };
}

function parseConstraint(text: string): (value: string) => boolean {
  const [, name = '', list] = /^(\w+)(?:\(([\d\s,]+)\))?$/.exec(text) ?? [];
  const numbers = list === undefined ? [] : list.split(',').map(Number);
  const constraint = Object.hasOwn(constraints, name) ? constraints[name] : undefined;
  if (!constraint?.takes.includes(numbers.length)) {
    throw new Error(`the route constraint ":${text}" is not modelled; known are ${Object.keys(constraints).join(', ')}`);
  }
  const [least = 0, most = least] = numbers;
  return (value) => constraint.test(value, least, most);
}

/**
 * The parameters of `path` under `template`, or undefined if it does not match. `segments` and `lowered` are the path's segments, as they are
 * and in lower case; a trailing slash does not count, any other empty segment matches nothing but the rest of a catch-all.
 */
export function matchRoute(
  template: RouteTemplate,
  path: string,
  segments: readonly string[],
  lowered: readonly string[],
): Record<string, string> | undefined {
  if (segments.length < template.least || segments.length > template.most) return undefined;
  const params: Record<string, string> = {};
  let offset = 1;
  for (let index = 0; index < template.segments.length; index++) {
    const part = template.segments[index];
    const segment = segments[index];
    if (part && 'name' in part) {
      const value = part.catchAll ? path.slice(offset) : segment;
      if (segment === '' || (value ? !part.accepts.every((accepts) => accepts(value)) : !part.optional && part.accepts.length > 0))
        return undefined;
      if (value) params[part.name] = value;
    } else if (part?.text !== lowered[index]) {
      return undefined;
    }
    offset += (segment?.length ?? 0) + 1;
  }
  return params;
}
