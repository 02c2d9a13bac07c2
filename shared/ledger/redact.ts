// The old and new images of a record as an event may show them: made by the record's schema, so nothing passes that nobody has looked at.
import * as z from 'zod';

const redacted = '[redacted]';

/** Marks a field of a record as secret: `z.string().meta({ secret: true })`. */
function isSecret(schema: z.core.$ZodType): boolean {
  return z.globalRegistry.get(schema)?.['secret'] === true;
}

/**
 * The members of `value` that `schema` names, however deep, with those marked secret replaced. What the schema does not name is left out, and so is
 * what it names but cannot describe (`unknown`, `any`, a transformed value).
 */
export function image<Schema extends z.ZodObject>(schema: Schema, value: z.infer<Schema>): Record<string, unknown> {
  const shown = show(schema, value);
  return isRecord(shown) ? shown : {};
}

function show(schema: z.core.$ZodType, value: unknown): unknown {
  if (isSecret(schema)) return value === undefined || value === null ? value : redacted;
  const { def } = schema._zod;
  switch (def.type) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'int':
    case 'literal':
    case 'enum':
    case 'null':
      return typeof value === 'object' && value !== null ? undefined : value;
    default:
      return showWithin(schema, value);
  }
}

function showWithin(schema: z.core.$ZodType, value: unknown): unknown {
  if (value === undefined || value === null) return value;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly)
    return show(inner(schema), value);
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return show(inner(schema), value);
  if (schema instanceof z.ZodObject && isRecord(value)) return members(value, (name) => schema.shape[name]);
  if (schema instanceof z.ZodRecord && isRecord(value)) return members(value, () => schema.valueType as z.core.$ZodType);
  if (schema instanceof z.ZodArray && Array.isArray(value))
    return value.map((each) => show(schema.element as z.core.$ZodType, each) ?? null);
  if (schema instanceof z.ZodUnion) {
    // The first form it fits, as parsing would choose; one whose fields it only partly has shows nothing of the others.
    const form = schema.options.find((option) => z.safeParse(option as z.ZodType, value).success);
    return form && show(form as z.core.$ZodType, value);
  }
  return undefined;
}

/** What a wrapper is around; its type parameter says no more than that it is a schema. */
function inner(schema: { unwrap(): unknown }): z.core.$ZodType {
  return schema.unwrap() as z.core.$ZodType;
}

function members(value: Record<string, unknown>, schemaOf: (name: string) => z.core.$ZodType | undefined): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const schema = Object.hasOwn(value, name) ? schemaOf(name) : undefined;
    const image = schema && show(schema, member);
    if (image !== undefined) shown[name] = image;
  }
  return shown;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
