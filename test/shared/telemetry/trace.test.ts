// W3C Trace Context: what is valid is carried on, what is not starts anew.
import { describe, expect, it } from 'vitest';
import { continueTrace } from '../../../shared/telemetry/trace.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';
const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;

describe('a trace', () => {
  it.each(['00', '01'])('goes on with its id, a span of ours and its flags: %s', (flags) => {
    const trace = continueTrace(`00-${traceId}-${parent}-${flags}`);
    expect(trace.traceId).toBe(traceId);
    expect(trace.traceparent).toMatch(form);
    expect(trace.traceparent).toMatch(new RegExp(`^00-${traceId}-(?!${parent}).{16}-${flags}$`));
  });

  it('goes on without the flags that have no meaning yet', () => {
    expect(continueTrace(`00-${traceId}-${parent}-ff`).traceparent).toMatch(form);
    expect(continueTrace(`00-${traceId}-${parent}-04`).traceparent).toMatch(/-00$/);
  });

  it.each([
    null,
    undefined,
    '',
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-${parent}-01`,
    `00-${traceId.toUpperCase()}-${parent}-01`,
    `00-${traceId}-${parent}`,
    `00-${traceId}-${parent}-1`,
    `00-${traceId}-${parent}-01-more`,
    ` 00-${traceId}-${parent}-01`,
    `00-${traceId}-${parent}-01\n`,
    `00-${traceId.slice(1)}-${parent}-01`,
    `00-${traceId}-${parent}x-01`,
  ])('starts anew where the header is %j', (header) => {
    const [one, other] = [continueTrace(header), continueTrace(header)];
    expect(one.traceparent).toMatch(form);
    expect(one.traceparent.slice(3, 35)).toBe(one.traceId);
    expect(one.traceId).not.toBe(traceId);
    expect(one.traceId).not.toBe(other.traceId);
  });
});
