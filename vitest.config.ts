import { defineConfig } from 'vitest/config';

const common = { pool: 'forks', testTimeout: 30_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    // Each part is served by child processes of its own, and some suites mostly wait: more workers than this only wait for each other.
    maxWorkers: 3,
    projects: [
      // The twin's parts and pure code: each suite starts what it needs.
      { test: { ...common, name: 'parts', include: ['test/{build,conformance,floors,local,shared}/**/*.test.ts'] } },
      // FlowGrid as a whole: one is started for all suites, each makes tenants of its own.
      { test: { ...common, name: 'whole', include: ['test/{functions,attacks,agent}/**/*.test.ts'], globalSetup: ['test/whole.ts'] } },
      // FlowGrid broken on purpose: each suite starts and kills its own.
      { test: { ...common, name: 'faults', include: ['test/{faults,start}/**/*.test.ts'], testTimeout: 120_000 } },
    ],
  },
});
