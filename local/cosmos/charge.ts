// A simple model of request units: right in kind (size and work cost), not in the last digit.

const kilobytes = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1024));

/** A point read: 1 RU a KB, and twice that under Strong consistency. */
export function readCharge(bytes: number): number {
  return 2 * kilobytes(bytes);
}

export function writeCharge(bytes: number): number {
  return 5 + kilobytes(bytes);
}

/** A page of a query that answers with this many bytes. */
export function queryCharge(bytes: number): number {
  return 2 * (2.5 + 0.5 * kilobytes(bytes));
}
