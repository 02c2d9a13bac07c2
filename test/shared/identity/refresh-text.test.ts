// The text of a refresh token: what it holds comes back, and all of a family share the seed and nothing else.
import { expect, it } from 'vitest';
import { readKey } from '../../../shared/identity/key-text.ts';
import { makeRefresh, readRefresh } from '../../../shared/identity/refresh-text.ts';

it('comes back as it was made', () => {
  const { text, ...made } = makeRefresh('acme');
  expect(readRefresh(text)).toEqual(made);
  expect(text).toMatch(/^fgr_acme_[a-z2-7]{16}_[a-z2-7]{64}[0-9a-f]{8}$/);
});

it('goes on in its family', () => {
  const first = makeRefresh('acme');
  const second = makeRefresh('acme', first);
  expect(second).toMatchObject({ family: first.family, seed: first.seed, seedSha256: first.seedSha256 });
  expect(second.sha256).not.toBe(first.sha256);
  expect(makeRefresh('acme').seed).not.toBe(first.seed);
});

it('is nothing when it is mistyped, cut or something else, and is no API key', () => {
  const { text } = makeRefresh('acme');
  for (const wrong of [
    '',
    text.slice(1),
    text.slice(0, -1),
    `${text}0`,
    text.toUpperCase(),
    text.replace('acme', 'acmf'),
    text.replace('fgr_', 'fg_'),
  ])
    expect(readRefresh(wrong)).toBeUndefined();
  expect(readKey(text)).toBeUndefined();
});
