// Which function a request belongs to: functions in the order of their names, ignoring case; the first whose template and method both match.
import type { RegisteredFunction } from './core-module.ts';
import { matchRoute, parseRouteTemplate, type RouteTemplate } from './route-template.ts';

export interface HttpFunction {
  readonly called: RegisteredFunction;
  /** The name of its trigger binding. */
  readonly binding: string;
  readonly methods: readonly string[];
  /** Without the prefix. */
  readonly route: string;
}

interface Route {
  readonly target: HttpFunction;
  readonly template: RouteTemplate;
}

export class Router {
  readonly #byMethod = new Map<string, Route[]>();

  /** Throws for a route the real host would not serve: reserved, the same as another function's, or malformed. `functions` are in order. */
  constructor(functions: readonly HttpFunction[], prefix: string) {
    const taken = new Map<string, string>();
    for (const target of functions) {
      const { name } = target.called.metadata;
      const bare = target.route.replace(/^\/+|\/+$/g, '').toLowerCase();
      if (/^(admin|runtime)/.test(bare)) {
        throw new Error(
          `Function "${name}": the route "${target.route}" conflicts with the host's own: routes must not begin with "admin" or "runtime".`,
        );
      }
      let template: RouteTemplate;
      try {
        template = parseRouteTemplate(prefix === '' ? target.route : `${prefix}/${target.route}`);
      } catch (error) {
        throw new Error(`Function "${name}": ${error instanceof Error ? error.message : error}.`);
      }
      for (const method of new Set(target.methods.map((method) => method.toUpperCase()))) {
        const other = taken.get(`${method} ${bare}`);
        if (other) throw new Error(`Function "${name}": ${method} ${target.route} conflicts with the route of function "${other}".`);
        taken.set(`${method} ${bare}`, name);
        const routes = this.#byMethod.get(method) ?? [];
        routes.push({ target, template });
        this.#byMethod.set(method, routes);
      }
    }
  }

  /** `path` is decoded and begins with a slash. */
  match(method: string, path: string): { target: HttpFunction; params: Record<string, string> } | undefined {
    const routes = this.#byMethod.get(method);
    if (!routes) return undefined;
    const segments = path.slice(1).split('/');
    if (segments.at(-1) === '') segments.pop();
    const lowered = segments.map((segment) => segment.toLowerCase());
    for (const { target, template } of routes) {
      const params = matchRoute(template, path, segments, lowered);
      if (params) return { target, params };
    }
    return undefined;
  }
}

/** .NET's StringComparer.OrdinalIgnoreCase: by UTF-16 units of the upper-cased text, so `_` comes after the letters. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [a.toUpperCase(), b.toUpperCase()];
  return left < right ? -1 : left > right ? 1 : 0;
}
