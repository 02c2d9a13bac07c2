// Finds messages that the dispatcher should have seen to by now: a ring was lost.
import { timer } from '../../shared/context/timer.ts';

timer({
  name: 'dispatch-sweep',
  schedule: '30 * * * * *',
  role: 'api',
  handle: (_, { dispatchSweep }) => dispatchSweep.run(),
});
