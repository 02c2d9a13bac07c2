// The twin in a process of its own, for the durability test to kill: `<folder> <key>`.
import { startCosmos } from '../../../local/cosmos/start.ts';
import { Faults } from '../../../local/faults.ts';

const [, , folder = '', key = ''] = process.argv;
const { port } = await startCosmos({ folder, port: 0, durable: true, faults: new Faults(), key });
process.send?.(port);
