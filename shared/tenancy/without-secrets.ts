// A document as its tenant may carry it away: everything but what its schema marks as secret, `z.string().meta({ secret: true })`.
import * as z from 'zod';

export function withoutSecrets(schema: z.core.$ZodType, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodDefault
  )
    return withoutSecrets(schema.unwrap(), value);
  // A union whose forms have secrets of different names: what is one in any of them is left out.
  if (schema instanceof z.ZodUnion) return schema.options.reduce((left: unknown, form) => withoutSecrets(form, left), value);
  if (Array.isArray(value)) return schema instanceof z.ZodArray ? value.map((each) => withoutSecrets(schema.element, each)) : value;
  const schemaOf = (name: string): z.core.$ZodType | undefined => {
    if (schema instanceof z.ZodObject) return schema.shape[name];
    return schema instanceof z.ZodRecord ? schema.valueType : undefined;
  };
  const kept = Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    const inner = schemaOf(name);
    if (!inner) return [[name, member]];
    return isSecret(inner) ? [] : [[name, withoutSecrets(inner, member)]];
  });
  return Object.fromEntries(kept);
}

function isSecret(schema: z.core.$ZodType): boolean {
  if (z.globalRegistry.get(schema)?.['secret'] === true) return true;
  const isWrapper = schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly;
  return isWrapper && isSecret(schema.unwrap());
}
