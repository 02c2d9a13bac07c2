// Calls again for tenants that should be made, opened, closed or erased by now: a message for them was lost, or ended in the dead letters.
import { timer } from '../../shared/context/timer.ts';

/** A minute's worth; the rest is as overdue in the next. */
const atMost = 200;

timer({
  name: 'tenants-settle',
  schedule: '0 * * * * *',
  role: 'provision',
  handle: async ({ platform }, { unfinished, certificates, tenants }) => {
    for (const list of [unfinished, certificates])
      for (const tenantId of await list.due(platform, atMost)) await tenants.call(platform, tenantId);
  },
});
