// JSON as Cosmos DB stores it.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}
/** What an expression over an item may give: a property that is not there is `undefined`, which is not `null`. */
export type Value = Json | undefined;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A property or an element; own ones only, so `constructor` and `__proto__` are names like any other. */
export function member(value: Value, name: string | number): Value {
  if (typeof name === 'number') return Array.isArray(value) ? value[name] : undefined;
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function at(value: Value, path: readonly (string | number)[]): Value {
  let found = value;
  for (const name of path) found = member(found, name);
  return found;
}

export function same(a: Json, b: Json): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((value, i) => same(value, b[i]));
  if (!isObject(a)) return a === b;
  const names = Object.keys(a);
  return isObject(b) && names.length === Object.keys(b).length && names.every((name) => covers(b, name, a[name]));
}

/** Whether `object` has this very property. */
export function covers(object: Json, name: string, value: Value): boolean {
  const own = member(object, name);
  return own !== undefined && value !== undefined && same(own, value);
}

export function isDeeperThan(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
