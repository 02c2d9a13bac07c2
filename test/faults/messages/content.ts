// What is said to whom under which number: every fiftieth so much that it travels as a claim, every tenth to the orchestrator a report of usage.

const claimBytes = 200_000;

interface Content {
  readonly messageType: string;
  readonly payload: object;
}

export function fillingOf(number: number): string {
  return 'x'.repeat(number % 50 === 49 ? claimBytes : 10);
}

/** Whether the platform itself does what this message asks. */
export function isUsage(number: number, to: string): boolean {
  return to === 'orchestrator' && number % 10 === 5;
}

export function eventIdOf(number: number): string {
  return `usage-${number}`;
}

export function contentOf(number: number, to: string): Content {
  if (isUsage(number, to)) return { messageType: 'usage.reported', payload: { eventId: eventIdOf(number), meter: 'aiTokens', amount: 1 } };
  return { messageType: 'note', payload: { number, filling: fillingOf(number) } };
}
