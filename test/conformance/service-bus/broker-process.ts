// A broker in a process of its own, to be killed: `node broker-process.ts folder port adminPort` tells its parent the ports.
import { Faults } from '../../../local/faults.ts';
import { startServiceBus } from '../../../local/service-bus/start.ts';
import { ROOT_KEY } from './target.ts';

const [, , folder = '', port, adminPort] = process.argv;
const options = { folder, durable: true, faults: new Faults(), rootKey: ROOT_KEY };
const broker = await startServiceBus({ ...options, port: Number(port), adminPort: Number(adminPort) });
process.send?.([broker.port, broker.adminPort]);
