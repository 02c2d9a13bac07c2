// Cursors: where a list goes on. Opaque to the caller, bound to tenant and function. They grant nothing: the tenant is always the caller's.
import * as z from 'zod';
import { Problem } from '../errors/problem.ts';

const Cursor = z.tuple([z.string(), z.string(), z.unknown()]);

/** `owner` is the tenant, or `platform`. */
export function makeCursor(owner: string, functionName: string, position: unknown): string {
  return Buffer.from(JSON.stringify([owner, functionName, position])).toString('base64url');
}

/** The owner a cursor names; undefined when it is not a cursor. */
export function cursorOwner(text: string): string | undefined {
  return parse(text)?.[0];
}

/** The position inside, or the 400. */
export function readCursor<Position>(text: string, owner: string, functionName: string, schema: z.ZodType<Position>): Position | Problem {
  const [by, name, position] = parse(text) ?? [];
  const parsed = schema.safeParse(position);
  return by === owner && name === functionName && parsed.success ? parsed.data : new Problem('cursor_invalid');
}

function parse(text: string): z.infer<typeof Cursor> | undefined {
  try {
    return Cursor.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
