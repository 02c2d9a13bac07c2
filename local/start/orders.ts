// A child's side of the start command: its orders come over the parent's channel, and it ends when it is told to or when the parent is gone.

/** Runs `serve` once with the orders; what it answers stops the service again. */
export function onOrders<Orders>(serve: (orders: Orders) => Promise<() => Promise<void>>): void {
  process.once('message', (orders: Orders) => {
    serve(orders).then(
      (stop) => {
        const end = () => {
          stop().then(
            () => process.exit(0),
            (error: unknown) => fail(error),
          );
        };
        process.once('SIGTERM', end);
        process.once('disconnect', end);
        if (!process.connected) end();
      },
      (error: unknown) => fail(error),
    );
  });
  process.once('disconnect', () => setTimeout(() => process.exit(1), 10_000).unref());
}

export function reportReady(ports: Record<string, number>): void {
  process.send?.({ ready: ports });
}

function fail(error: unknown): never {
  console.error(error instanceof Error && error.name === 'ConfigError' ? error.message : error);
  process.exit(1);
}
