// Finds in a condition a part that SQLite can check, so that most items of a large partition need not be parsed. It may let through too many
// items and never too few: the whole condition is evaluated on what it lets through.
import type { Value } from '../json.ts';
import type { Expression, Path } from './expression.ts';

/** `id`: the item has this id. `text`: its text holds this. Otherwise how the value at `path`, as `json_extract` takes it, compares. */
export interface Prefilter {
  readonly kind: 'id' | 'text' | '=' | '>=' | '<=';
  readonly value: string | number;
  readonly path?: string;
}

export function prefilterOf(where: Expression | undefined): Prefilter | undefined {
  const found = (where?.kind === 'and' ? where.operands : where ? [where] : []).map(checkable).filter((filter) => filter !== undefined);
  return found.sort((a, b) => preference.indexOf(a.kind) - preference.indexOf(b.kind))[0];
}

const preference: readonly Prefilter['kind'][] = ['id', '=', 'text', '>=', '<='];
const turned = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;
/** Text that is the same in JSON, and has the same order in UTF-8 and UTF-16 next to any other. */
const plain = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/;

function checkable(part: Expression): Prefilter | undefined {
  if (part.kind === 'call') {
    const [text, sought, option] = part.operands;
    if (text?.kind !== 'path' || sought?.kind !== 'literal' || typeof sought.value !== 'string' || !plain.test(sought.value))
      return undefined;
    if (part.name === 'ARRAY_CONTAINS') return { kind: 'text', value: `"${sought.value}"` };
    return option || sought.value === '' ? undefined : { kind: 'text', value: sought.value };
  }
  if (part.kind !== 'compare' || part.operator === '!=') return undefined;
  const { left, right, operator } = part;
  if (left.kind === 'path' && right.kind === 'literal') return compared(left.path, operator, right.value);
  if (left.kind === 'literal' && right.kind === 'path') return compared(right.path, turned[operator], left.value);
  return undefined;
}

function compared(names: Path, operator: keyof typeof turned, value: Value): Prefilter | undefined {
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && /^[A-Za-z_]\w*$/.test(name))) return undefined;
  const path = `$${names.map((name) => `."${name}"`).join('')}`;
  const kind = operator === '=' ? operator : operator.startsWith('>') ? '>=' : '<=';
  if (typeof value === 'boolean') return kind === '=' ? { kind, path, value: Number(value) } : undefined;
  if (typeof value === 'string' && plain.test(value))
    return kind === '=' && path === '$."id"' ? { kind: 'id', value } : { kind, path, value };
  // SQLite reads decimal fractions with a tiny error: equality is asked of integers only, and bounds are one too generous.
  if (typeof value !== 'number' || Math.abs(value) > 2 ** 50) return undefined;
  if (kind === '=') return Number.isInteger(value) ? { kind, path, value } : undefined;
  return { kind, path, value: kind === '>=' ? value - 1 : value + 1 };
}
