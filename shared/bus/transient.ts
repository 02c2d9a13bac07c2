// What failures of Service Bus are: which another try may cure, and their codes.

/** The SDK says so of its own errors; anything without a word on it is a connection that went. */
export function isTransient(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  if (typeof error === 'object' && error !== null && 'retryable' in error) return error.retryable === true;
  return true;
}

/** Whether the SDK's error has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}
