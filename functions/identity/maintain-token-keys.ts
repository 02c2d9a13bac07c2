// Keeps the key that signs tokens: makes it, makes its next version every 30 days, and takes versions out of use that have served.
import { timer } from '../../shared/context/timer.ts';

timer({
  name: 'identity-maintain-token-keys',
  schedule: '0 */10 * * * *',
  role: 'provision',
  handle: async (_, { tokenKeys }) => tokenKeys.maintain(),
});
