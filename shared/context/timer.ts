// The timer door: work of the platform's own that comes round by the clock. Every instance of an app may run it, and a run may be cut short anywhere:
// what it does must be safe to repeat and to do twice at once.
import { app } from '@azure/functions';
import { newId } from '../clock/clock.ts';
import { type Services, theServices } from '../compose.ts';
import type { Cause } from '../ledger/event.ts';
import type { PlatformScope } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import './lifecycle.ts';

interface TimerContract {
  /** Function name. */
  readonly name: string;
  /** NCRONTAB with seconds, in UTC. */
  readonly schedule: string;
  /** Which of the two function apps runs it: the one that serves callers, or the one that may make and destroy. */
  readonly role: 'api' | 'provision';
  readonly handle: (call: { readonly platform: PlatformScope; readonly cause: Cause }, services: Services) => Promise<void>;
}

/** What throws is logged; the timer comes round again. */
export function timer({ name, schedule, role, handle }: TimerContract): void {
  const mine = process.env['FLOWGRID_ROLE'] ?? 'all';
  if (mine !== 'all' && mine !== role) return;
  app.timer(name, {
    schedule,
    handler: async () => {
      const services = theServices();
      const cause: Cause = { actor: { type: 'system', id: name, method: 'internal' }, requestId: newId() };
      try {
        await handle({ platform: services.platform, cause }, services);
      } catch (error) {
        log.warn('a timer did not finish', 'platform', {
          function: name,
          requestId: cause.requestId,
          error: error instanceof Error ? error.name : typeof error,
        });
        throw error;
      }
    },
  });
}
