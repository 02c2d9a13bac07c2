// Timer triggers: when they run and what they are told.
import { describe, expect, it } from 'vitest';
import { CronSchedule } from '../../../local/functions-host/cron.ts';
import { startHost } from './host-process.ts';

describe('NCRONTAB', () => {
  // A Sunday.
  const now = '2026-11-22T12:00:00.000Z';
  it.each([
    ['* * * * * *', '2026-11-22T12:00:01.000Z'],
    ['*/15 * * * * *', '2026-11-22T12:00:15.000Z'],
    ['10/20 * * * * *', '2026-11-22T12:00:10.000Z'],
    ['0 5,35 * * * *', '2026-11-22T12:05:00.000Z'],
    ['0 0 0-6/3 * * *', '2026-11-23T00:00:00.000Z'],
    ['0 30 9 * * Mon-Fri', '2026-11-23T09:30:00.000Z'],
    ['0 30 9 * January 0', '2027-01-03T09:30:00.000Z'],
    ['0 0 0 13 * 5', '2027-08-13T00:00:00.000Z'],
    ['0 0 0 29 feb *', '2028-02-29T00:00:00.000Z'],
    ['59 59 23 31 12 *', '2026-12-31T23:59:59.000Z'],
    ['0 12 * * *', '2026-11-23T12:00:00.000Z'],
  ])('%s comes next at %s', (expression, next) => {
    expect(new Date(new CronSchedule(expression).next(Date.parse(now))).toISOString()).toBe(next);
  });

  it.each(['', '* * * *', '60 * * * * *', '* * * * * 7', '5-1 * * * * *', '*/0 * * * * *', '* * * ? * *', '* * * * foo *', 'a * * * * *'])(
    'refuses "%s"',
    (expression) => {
      expect(() => new CronSchedule(expression)).toThrow();
    },
  );
});

describe('timers', () => {
  it('run on schedule and at the start, one run at a time, and go on after a failure', async () => {
    await using host = await startHost('timers', { settings: { EVERY_SECOND: '* * * * * *' } });
    const started = JSON.parse((await host.line((line) => line.function === 'on-start')).message);
    expect(started.timer).toEqual({
      schedule: { adjustForDST: true },
      scheduleStatus: {
        last: '0001-01-01T00:00:00+00:00',
        next: expect.stringMatching(/^\d{4}-01-01T03:00:00\.000\+00:00$/),
        lastUpdated: '0001-01-01T00:00:00+00:00',
      },
      isPastDue: false,
    });
    const runs = () => host.lines.filter((line) => line.category === 'Function.every-second.User');
    await host.line(() => runs().length === 2);
    for (const { message } of runs())
      expect(JSON.parse(message)).toMatchObject({ running: 1, timer: { scheduleStatus: null, isPastDue: false } });
    const failures = host.lines.filter((line) => line.function === 'fails' && line.message.includes('not today'));
    expect(failures.length).toBeGreaterThan(1);
    await host.stop();
  });
});
