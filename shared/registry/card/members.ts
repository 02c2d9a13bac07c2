// Members of JSON objects, left out by name.

/** As `Omit`, which forgets the known members of a type that allows for unknown ones. */
type Without<Value, Name> = { [Member in keyof Value as Member extends Name ? never : Member]: Value[Member] };

export function without<Value extends object, Name extends string>(value: Value, ...names: readonly Name[]): Without<Value, Name> {
  // What is left are the members that were not named.
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.some((each) => each === name))) as Without<Value, Name>;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
