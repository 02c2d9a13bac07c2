// Preconditions, case by case (RFC 9110 section 13.1): which tags hold, which do not, and what is no tag at all.
import { HttpRequest } from '@azure/functions';
import { describe, expect, test } from 'vitest';
import { checkIfMatch, etagOf, notModified } from '../../../shared/context/etag.ts';

const stored = { name: 'x', body: {}, etag: '"0000-1"' };
const next = { ...stored, etag: '"0000-2"' };
const tag = etagOf(stored);
const asked = (headers: Record<string, string>) => ({ request: new HttpRequest({ method: 'PUT', url: 'http://x/', headers }) });
const isRefused = (headers: Record<string, string>, there: [typeof stored] | [] = [stored]) =>
  checkIfMatch(asked(headers), there[0])?.code === 'precondition_failed';

test('a tag is quoted, strong, stable, and of one version and one representation', () => {
  expect(tag).toMatch(/^"[\w-]{22}"$/);
  expect(etagOf({ ...stored })).toBe(tag);
  expect(new Set([tag, etagOf(next), etagOf(stored, '0.3'), etagOf(next, '0.3')]).size).toBe(4);
});

describe('a change', () => {
  test('goes ahead without a condition, and where it holds', () => {
    expect(isRefused({})).toBe(false);
    expect(isRefused({}, [])).toBe(false);
    for (const header of [tag, ' * ', `"other", ${tag}`, `"with,comma",${tag} , "x"`, `W/"x", ${tag}`])
      expect(isRefused({ 'if-match': header }), header).toBe(false);
    expect(isRefused({ 'if-none-match': '*' }, [])).toBe(false);
    for (const header of ['"other"', etagOf(next)]) expect(isRefused({ 'if-none-match': header }), header).toBe(false);
  });

  test('is refused where it does not', () => {
    for (const header of [
      etagOf(next),
      `W/${tag}`,
      tag.replaceAll('"', ''),
      `'${tag}'`,
      '',
      '"*"',
      `"x${tag.slice(1)}`,
      `${tag}x`,
      `x,${tag}x`,
    ])
      expect(isRefused({ 'if-match': header }), header).toBe(true);
    for (const header of ['*', tag]) expect(isRefused({ 'if-match': header }, []), header).toBe(true);
    for (const header of ['*', tag, `W/${tag}`, `"x", ${tag}`]) expect(isRefused({ 'if-none-match': header }), header).toBe(true);
  });
});

test('what the reader has already is not sent again', () => {
  for (const header of [tag, `W/${tag}`, '*', `"x", ${tag}`])
    expect(notModified(asked({ 'if-none-match': header }), tag)).toEqual({ status: 304, raw: null, headers: { etag: tag } });
  for (const header of ['"x"', 'x', '', `${tag}x`]) expect(notModified(asked({ 'if-none-match': header }), tag)).toBeUndefined();
  expect(notModified(asked({}), tag)).toBeUndefined();
});
