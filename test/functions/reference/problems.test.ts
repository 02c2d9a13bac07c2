// What each problem's `type` leads to.
import { describe, expect, inject, test } from 'vitest';
import { catalogue } from '../../../shared/errors/catalogue.ts';
import { Asker, problemOf } from '../asker.ts';

const anyone = new Asker(inject('local').api);

describe('GET /problems/{code}', () => {
  test.for(Object.keys(catalogue))('explains %s, as JSON and as a page', async (code) => {
    const { body, headers } = await anyone.ask<Record<string, unknown>>('GET', `/problems/${code}`);
    expect(Object.keys(body)).toEqual(['code', 'status', 'title', 'explanation', 'remedy', 'retry']);
    expect(body).toMatchObject({
      code,
      title: expect.stringMatching(/./),
      explanation: expect.stringMatching(/./),
      remedy: expect.stringMatching(/./),
    });
    expect(headers.get('vary')).toBe('Accept');
    const page = await anyone.ask<string>('GET', `/problems/${code}`, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.body).toContain(`<code>${code}</code>`);
  });

  test.for(['nothing_of_the_sort', 'constructor', '__proto__', '%3Cscript%3E'])('does not know %s', async (code) => {
    problemOf(await anyone.ask('GET', `/problems/${code}`), 404, 'not_found');
  });
});
