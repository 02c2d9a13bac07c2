// `npm start`: FlowGrid on this machine, against the local twin.
import { readOptions, usage } from './start/options.ts';
import { Supervisor } from './start/supervisor.ts';

const options = readOptions(process.argv.slice(2));
if (!options.ok) {
  console.error(`FlowGrid cannot start:\n  - ${options.problems.join('\n  - ')}\n\n${usage}`);
  process.exit(2);
}

const supervisor = new Supervisor(options.value);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void supervisor.stop(0);
  });
}
await supervisor.run();
