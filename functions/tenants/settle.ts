// Calls again for tenants that should be made, opened, closed or erased by now: a message for them was lost, or ended in the dead letters.
import { timer } from '../../shared/context/timer.ts';

/** The rest is as overdue the next time. */
const atMost = 200;

timer({
  name: 'tenants-settle',
  schedule: '*/15 * * * * *',
  role: 'provision',
  handle: async ({ platform }, { unfinished, certificates, tenants }) => {
    for (const list of [unfinished, certificates])
      for (const tenantId of await list.due(platform, atMost)) await tenants.call(platform, tenantId);
  },
});
