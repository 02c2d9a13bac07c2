// Signs where the ledgers that grew end: each tenant's once an hour, a twelfth of the tenants at a time.
import { timer } from '../../shared/context/timer.ts';

timer({
  name: 'ledger-checkpoint',
  schedule: '0 */5 * * * *',
  role: 'api',
  handle: ({ platform, cause }, { ledgerUpkeep }) => ledgerUpkeep.checkpoint(platform, cause),
});
