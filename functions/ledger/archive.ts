// Moves the days that are old enough from Cosmos DB to Blob Storage.
import { timer } from '../../shared/context/timer.ts';

timer({
  name: 'ledger-archive',
  schedule: '0 17 2 * * *',
  role: 'api',
  handle: ({ platform, cause }, { ledgerUpkeep }) => ledgerUpkeep.archive(platform, cause),
});
