// `npm run load -- [--agents 100] [--tenants 10] [--seconds 30] [--pushed 0.2] [--senders 16] [--listeners 200]`: agents of many tenants talk for so long in a FlowGrid of
// its own, and it says what it saw: leakage, loss, throughput, fairness. It stops by itself, and exits with 1 when anything leaked or was lost.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Faults } from '../local/faults.ts';
import { startServiceBus } from '../local/service-bus/start.ts';
import { dataFolder, startFlowGrid } from '../test/flowgrid.ts';
import { type LoadOptions, runLoad } from './load/run.ts';

/** Of a Standard namespace (Azure, Service Bus limits), less some for the platform's own and for tenants that fall unevenly. */
const queuesPerNamespace = 9_000;
const queuesPerTenant = 3;
const rootKey = 'the key of a load’s own brokers';

const { values } = parseArgs({
  options: {
    agents: { type: 'string', default: '100' },
    tenants: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '30' },
    pushed: { type: 'string', default: '0.2' },
    senders: { type: 'string', default: '16' },
    listeners: { type: 'string', default: '200' },
  },
});
const options: LoadOptions = {
  agents: bounded('agents', 1, 20_000),
  tenants: bounded('tenants', 1, 5_000),
  seconds: bounded('seconds', 1, 3_600),
  pushed: bounded('pushed', 0, 1),
  senders: bounded('senders', 1, 256),
  listeners: bounded('listeners', 1, 1_000),
  patienceSeconds: 300,
};
process.exitCode = await main();

function bounded(name: keyof typeof values, least: number, most: number): number {
  const value = Number(values[name]);
  if (value >= least && value <= most) return value;
  console.error(`--${name}: a number from ${least} to ${most}, not "${values[name]}"`);
  process.exit(2);
}

async function main(): Promise<number> {
  const { agents, tenants, pushed } = options;
  const namespaces = Math.ceil((agents * (1 - pushed) + tenants * queuesPerTenant) / queuesPerNamespace);
  const folder = dataFolder();
  const further = await Promise.all(
    Array.from({ length: namespaces - 1 }, (_, at) => startNamespace(join(folder.path, `namespace-${at + 1}`))),
  );
  // The start command hands its environment on to its hosts.
  if (further.length > 0) process.env['FLOWGRID_INSECURE_SERVICEBUS_NAMESPACES'] = JSON.stringify(further.map(({ setting }) => setting));
  const flowGrid = await startFlowGrid(folder.path, '--ephemeral', '--hosts', '2');
  try {
    console.log(`FlowGrid with two hosts and ${namespaces} namespaces`);
    const summary = await runLoad(flowGrid.local, options, (line) => console.log(line));
    console.log(JSON.stringify(summary, null, 2));
    return summary.leaks > 0 || summary.lost > 0 ? 1 : 0;
  } finally {
    await flowGrid.stop();
    await Promise.all(further.map(({ stop }) => stop()));
    folder.remove();
  }
}

/** A further broker, in this process. */
async function startNamespace(folder: string) {
  mkdirSync(folder);
  const broker = await startServiceBus({ folder, port: 0, adminPort: 0, durable: false, faults: new Faults(), rootKey });
  const reached = (port: number) =>
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=${rootKey};UseDevelopmentEmulator=true;`;
  const setting = {
    name: `127.0.0.1:${broker.port}`,
    connectionString: reached(broker.port),
    adminConnectionString: reached(broker.adminPort),
  };
  return { setting, stop: () => broker.stop() };
}
