// W3C Trace Context: an incoming `traceparent` is honoured when it is valid and ignored as a whole when it is not (section 3.2 of the standard).
import { randomUUID } from 'node:crypto';

export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** The header to send onward: same trace, our own span. */
  readonly traceparent: string;
}

const valid = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

export function continueTrace(header: string | null | undefined): Trace {
  const match = header ? valid.exec(header) : null;
  const traceId = match?.[1] ?? randomUUID().replaceAll('-', '');
  // "Sampled" and "random" are carried on; flags that mean nothing yet must not be (section 3.2.2.5).
  const flags = Number.parseInt(match?.[2] ?? '01', 16) & 0b11;
  return { traceId, traceparent: `00-${traceId}-${randomUUID().slice(19).replace('-', '').slice(0, 16)}-0${flags}` };
}
