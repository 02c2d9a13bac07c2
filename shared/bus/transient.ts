// Which failures of Service Bus another try may cure.

/** The SDK says so of its own errors; anything without a word on it is a connection that went. */
export function isTransient(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  if (typeof error === 'object' && error !== null && 'retryable' in error) return error.retryable === true;
  return true;
}
