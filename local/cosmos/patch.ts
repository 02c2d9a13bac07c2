// Partial updates: https://learn.microsoft.com/azure/cosmos-db/partial-document-update.
import * as z from 'zod';
import type { Container } from './container.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { compile } from './query/evaluate.ts';
import { parseCondition } from './query/parse.ts';
import { badRequest, invalid, preconditionFailed } from './refusal.ts';

const Value = z.custom<Json>((value) => value !== undefined, 'is missing');
const path = z.string().regex(/^(\/([^~]|~[01])+)+$/, 'must be a JSON pointer below the root');
const Operation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.enum(['add', 'set', 'replace']), path, value: Value }),
  z.strictObject({ op: z.literal('incr'), path, value: z.number() }),
  z.strictObject({ op: z.literal('remove'), path }),
]);
const Operations = z.array(Operation).min(1).max(10, 'The number of patch operations can not exceed 10');
const PatchBody = z.union([Operations, z.strictObject({ operations: Operations, condition: z.string().optional() })]);

type Operation = z.infer<typeof Operation>;
type MutableObject = { [name: string]: Json };

export interface Patch {
  readonly operations: readonly Operation[];
  readonly holds: (item: JsonObject) => boolean;
}

/** @throws {Refusal} 400 */
export function parsePatch(body: Json): Patch {
  const parsed = PatchBody.safeParse(body);
  if (!parsed.success) throw invalid('The patch', parsed.error);
  const { operations, condition } = Array.isArray(parsed.data) ? { operations: parsed.data, condition: undefined } : parsed.data;
  const test = condition === undefined ? undefined : compile(parseCondition(condition));
  return { operations, holds: (item) => test === undefined || test(item) === true };
}

/** Changes `item` in place. @throws {Refusal} 412 when the condition does not hold, 400 when an operation cannot be applied. */
export function applyPatch(container: Container, item: JsonObject, patch: Patch): JsonObject {
  if (!patch.holds(item)) throw preconditionFailed();
  const fixed = [['id'], ['_rid'], ['_self'], ['_etag'], ['_ts'], ['_attachments'], ...container.partitionPaths];
  patch.operations.forEach((operation, i) => {
    const names = operation.path
      .slice(1)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    const refuse = (reason: string) => badRequest(`For Operation(${i + 1}): ${reason} (${operation.op} ${operation.path}).`);
    if (fixed.some((key) => key.every((name, n) => n >= names.length || name === names[n]))) {
      throw refuse('The id, the partition key and system properties can not be patched');
    }
    const last = names.pop() ?? '';
    const parent = names.reduce<Json | undefined>((value, name) => child(value, name), item);
    // Everything below the parsed body is ours to change: JSON.parse has just made it.
    if (Array.isArray(parent)) applyToArray(parent as Json[], last, operation, refuse);
    else if (isObject(parent)) applyToObject(parent as MutableObject, last, operation, refuse);
    else
      throw refuse(
        'Given Operation can only create a child object of an existing node(array or object) and cannot create path recursively',
      );
  });
  return item;
}

type Refuse = (reason: string) => Error;

function applyToObject(parent: MutableObject, name: string, operation: Operation, refuse: Refuse): void {
  const exists = Object.hasOwn(parent, name);
  if (operation.op === 'remove' || operation.op === 'replace') {
    if (!exists) throw refuse('The path does not exist');
  }
  if (operation.op === 'remove') delete parent[name];
  else {
    const value = operation.op === 'incr' ? increment(exists ? parent[name] : undefined, operation.value, refuse) : operation.value;
    Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true });
  }
}

function applyToArray(parent: Json[], name: string, operation: Operation, refuse: Refuse): void {
  const index = name === '-' && operation.op === 'add' ? parent.length : Number(/^(0|[1-9]\d*)$/.test(name) ? name : -1);
  const end = operation.op === 'add' ? parent.length : parent.length - 1;
  if (index < 0 || index > end) throw refuse('The array has no such index');
  if (operation.op === 'remove') parent.splice(index, 1);
  else if (operation.op === 'add') parent.splice(index, 0, operation.value);
  else parent[index] = operation.op === 'incr' ? increment(parent[index], operation.value, refuse) : operation.value;
}

function increment(value: Json | undefined, by: number, refuse: Refuse): number {
  if (value === undefined) return by;
  if (typeof value !== 'number' || !Number.isFinite(value + by)) throw refuse('The value is not a number, or does not stay one');
  return value + by;
}

function child(value: Json | undefined, name: string): Json | undefined {
  if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(name) ? value[Number(name)] : undefined;
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
