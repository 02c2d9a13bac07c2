// Cursors: bound to tenant and function, opaque, and never more than a position.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { cursorOwner, makeCursor, readCursor } from '../../../shared/context/cursor.ts';
import { Problem } from '../../../shared/errors/problem.ts';
import { jsonValues, tenantIds } from '../arbitraries.ts';

const invalid = expect.objectContaining({ code: 'cursor_invalid', status: 400 });
const read = (text: string, owner = 'acme', name = 'registry-list') => readCursor(text, owner, name, z.string());

describe('a cursor', () => {
  it('gives back the position it was made of, to its tenant and function', () => {
    fc.assert(
      fc.property(tenantIds, fc.string(), jsonValues, (owner, name, position) => {
        const cursor = makeCursor(owner, name, position);
        expect(cursor).toMatch(/^[\w-]+$/);
        expect(cursorOwner(cursor)).toBe(owner);
        expect(readCursor(cursor, owner, name, z.unknown())).toEqual(position);
      }),
    );
  });

  it('is invalid for another tenant or function, or with a position of another shape', () => {
    const cursor = makeCursor('acme', 'registry-list', 'agent-a');
    expect(read(cursor)).toBe('agent-a');
    expect(read(cursor, 'globex')).toEqual(invalid);
    expect(read(cursor, 'acme', 'registry-search')).toEqual(invalid);
    expect(read(makeCursor('acme', 'registry-list', 7))).toEqual(invalid);
    expect(read(makeCursor('acme', 'registry-list', undefined))).toEqual(invalid);
  });

  it.each([
    '',
    'x',
    '[]',
    '%',
    'bnVsbA',
    Buffer.from('{"0":"acme"}').toString('base64url'),
    Buffer.from('["acme"]').toString('base64url'),
    Buffer.from('["acme","registry-list"]').toString('base64url'),
    Buffer.from('["acme","registry-list","a","b"]').toString('base64url'),
  ])('is not %j', (text) => {
    expect(read(text)).toEqual(invalid);
  });

  it('that is any text at all is answered, never thrown on', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), (text) => {
        expect(read(text)).toBeInstanceOf(Problem);
      }),
    );
  });
});
