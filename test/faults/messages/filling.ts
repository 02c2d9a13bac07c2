// What a message carries beside its number: every fiftieth so much that it travels as a claim.

const claimBytes = 200_000;

export function fillingOf(number: number): string {
  return 'x'.repeat(number % 50 === 49 ? claimBytes : 10);
}
