// An agent's process ends as its host asks it to: in order at the first signal, at once at the second.

interface Running {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const signals = ['SIGTERM', 'SIGINT'] as const;

/** Starts, and ends the process behind the first signal with 0. Rejects when it cannot start. */
export async function runUntilSignalled(agent: Running, onReady?: () => void): Promise<void> {
  const signalled = Promise.withResolvers<'signalled'>();
  let before = false;
  for (const signal of signals) {
    process.on(signal, () => {
      if (before) process.exit(1);
      before = true;
      signalled.resolve('signalled');
    });
  }
  if ((await Promise.race([agent.start(), signalled.promise])) !== 'signalled') onReady?.();
  await signalled.promise;
  try {
    await agent.stop();
  } catch (error) {
    // FlowGrid could not be told; the lease ends by itself.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.exit(0);
}
