// The bytes of an AMQP message (OASIS AMQP 1.0, 1.6 and 3.2): read and rewritten section by section, so that nothing a sender wrote changes type.
import { randomUUID } from 'node:crypto';
import rhea from 'rhea';
import { AmqpError } from './amqp.ts';

const HEADER = 0x70;
const DELIVERY_ANNOTATIONS = 0x71;
const MESSAGE_ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const DATA = 0x75;

/** Written by the broker alone: a sender's own are dropped. */
const ours = new Set([
  'x-opt-sequence-number',
  'x-opt-enqueue-sequence-number',
  'x-opt-enqueued-time',
  'x-opt-locked-until',
  'x-opt-message-state',
  'x-opt-deadletter-source',
]);

interface Section {
  readonly code: number;
  /** The whole section, descriptor and value. */
  readonly bytes: Buffer;
  readonly value: Buffer;
}

/** A message as sent, ready to be kept. */
export interface Incoming {
  readonly bytes: Buffer;
  /** What it counts against size limits, as it came. */
  readonly size: number;
  /** The sender's time to live, in ms. */
  readonly ttl: number | undefined;
  /** `x-opt-scheduled-enqueue-time`, in ms since 1970. */
  readonly scheduled: number | undefined;
}

/** What the broker adds to a message it delivers. Times in ms since 1970. */
export interface Stamps {
  readonly deliveryCount: number;
  readonly ttl: number | undefined;
  readonly sequence: number;
  readonly origin: number;
  readonly enqueued: number;
  readonly state: number;
  readonly lockedUntil: number | undefined;
  readonly deadLetterSource: string | undefined;
}

/**
 * Reads a sent message, gives it a message id when it has none, and drops what only the broker may write.
 * @throws AmqpError message-size-exceeded, decode-error
 */
export function ingest(raw: Buffer, limit: number): Incoming {
  demandSize(raw, limit);
  let ttl: number | undefined;
  let scheduled: number | undefined;
  let identified = false;
  const kept: Buffer[] = [];
  const identify = (properties?: Section) => {
    identified = true;
    kept.push(withMessageId(properties));
  };
  for (const section of sections(raw)) {
    if (section.code > PROPERTIES && !identified) identify();
    if (section.code === HEADER) ttl = unsigned(elements(section.value)[2]);
    if (section.code === DELIVERY_ANNOTATIONS) continue;
    if (section.code === PROPERTIES) {
      identify(section);
    } else if (section.code === MESSAGE_ANNOTATIONS) {
      const annotations = entries(section.value).filter(([key]) => !ours.has(key));
      const time = annotations.find(([key]) => key === 'x-opt-scheduled-enqueue-time')?.[2];
      if (time?.[0] === 0x83) scheduled = Number(time.readBigInt64BE(1));
      if (annotations.length > 0)
        kept.push(
          map(
            MESSAGE_ANNOTATIONS,
            annotations.flatMap(([, key, value]) => [key, value]),
          ),
        );
    } else kept.push(section.bytes);
  }
  if (!identified) identify();
  return { bytes: Buffer.concat(kept), size: raw.length, ttl, scheduled };
}

/** The same for the messages of a batch envelope, which counts as one message against the limit. */
export function ingestBatch(envelope: Buffer, limit: number): Incoming[] {
  demandSize(envelope, limit);
  return sections(envelope).flatMap(({ code, value }) => (code === DATA ? [ingest(content(value), limit)] : []));
}

function demandSize({ length }: Buffer, limit: number): void {
  if (length <= limit) return;
  const sizes = `The received message (size:${length} bytes) exceeds the limit (${limit} bytes) currently allowed on the link.`;
  throw new AmqpError('amqp:link:message-size-exceeded', sizes);
}

/** A kept message as it goes to a receiver. */
export function stamp(kept: Buffer, stamps: Stamps): Buffer {
  const parts = sections(kept);
  const given = (code: number) => parts.find((section) => section.code === code);
  const header = elements(given(HEADER)?.value);
  const annotations = entries(given(MESSAGE_ANNOTATIONS)?.value).flatMap(([, key, value]) => [key, value]);
  annotations.push(keys.sequence, int64(0x81, stamps.sequence), keys.origin, int64(0x81, stamps.origin));
  annotations.push(keys.enqueued, int64(0x83, stamps.enqueued), keys.state, uint32(0x71, stamps.state));
  if (stamps.lockedUntil !== undefined) annotations.push(keys.lockedUntil, int64(0x83, stamps.lockedUntil));
  if (stamps.deadLetterSource !== undefined) annotations.push(keys.deadLetterSource, text(0xb1, stamps.deadLetterSource));
  const life = stamps.ttl === undefined ? nothing : uint32(0x70, Math.min(stamps.ttl, 0xffff_ffff));
  return Buffer.concat([
    list(HEADER, [header[0] ?? nothing, header[1] ?? nothing, life, nothing, uint32(0x70, stamps.deliveryCount)]),
    map(MESSAGE_ANNOTATIONS, annotations),
    ...parts.filter(({ code }) => code !== HEADER && code !== MESSAGE_ANNOTATIONS).map(({ bytes }) => bytes),
  ]);
}

/** The message with these application properties set; undefined and null are left out. */
export function withProperties(kept: Buffer, properties: Readonly<Record<string, unknown>>): Buffer {
  const set = Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined && value !== null));
  if (Object.keys(set).length === 0) return kept;
  const encoded = sections(rhea.message.encode({ application_properties: set, body: undefined }));
  const added = entries(encoded.find(({ code }) => code === APPLICATION_PROPERTIES)?.value);
  const parts = sections(kept);
  const held = entries(parts.find(({ code }) => code === APPLICATION_PROPERTIES)?.value).filter(([key]) => !Object.hasOwn(set, key));
  const merged = map(
    APPLICATION_PROPERTIES,
    [...held, ...added].flatMap(([, key, value]) => [key, value]),
  );
  const pick = (wanted: (code: number) => boolean) => parts.filter(({ code }) => wanted(code)).map(({ bytes }) => bytes);
  return Buffer.concat([...pick((code) => code < APPLICATION_PROPERTIES), merged, ...pick((code) => code > APPLICATION_PROPERTIES)]);
}

function withMessageId(properties?: Section): Buffer {
  const fields = elements(properties?.value);
  if (properties && fields[0] && fields[0][0] !== 0x40) return properties.bytes;
  return list(PROPERTIES, [text(0xa1, randomUUID().replaceAll('-', '')), ...fields.slice(1)]);
}

function sections(raw: Buffer): Section[] {
  const found: Section[] = [];
  for (let at = 0; at < raw.length; ) {
    const code = raw[at + 1] === 0x53 ? raw[at + 2] : raw[at + 1] === 0x80 ? raw[at + 9] : undefined;
    if (raw[at] !== 0 || code === undefined || code < HEADER || code > 0x78) throw malformed();
    const from = at + (raw[at + 1] === 0x53 ? 3 : 10);
    const to = end(raw, from);
    found.push({ code, bytes: raw.subarray(at, to), value: raw.subarray(from, to) });
    at = to;
  }
  return found;
}

/** The fields of a list, each with its constructor. */
function elements(value: Buffer | undefined): Buffer[] {
  if (!value || value[0] === 0x45) return [];
  const kind = (value[0] ?? 0) >> 4;
  if (kind !== 0xc && kind !== 0xd) throw malformed();
  const wide = kind === 0xd;
  const found: Buffer[] = [];
  for (let at = wide ? 9 : 3; at < value.length; ) {
    const to = end(value, at);
    found.push(value.subarray(at, to));
    at = to;
  }
  return found;
}

/** The entries of a map: the key as text, and key and value with their constructors. */
function entries(value: Buffer | undefined): [string, Buffer, Buffer][] {
  const flat = elements(value);
  const found: [string, Buffer, Buffer][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [key, held] = [flat[i], flat[i + 1]];
    if (key && held) found.push([content(key).toString(), key, held]);
  }
  return found;
}

/** Where the value that starts at `at` ends. */
function end(raw: Buffer, at: number): number {
  const code = raw[at] ?? 0x01;
  if (code === 0x00) return end(raw, end(raw, at + 1));
  const kind = code >> 4;
  let to: number;
  if (kind >= 4 && kind <= 9) to = at + 1 + (kind === 4 ? 0 : 1 << (kind - 5));
  else if (kind >= 10 && at + 1 < raw.length && kind % 2 === 0) to = at + 2 + raw.readUInt8(at + 1);
  else if (kind >= 11 && at + 4 < raw.length && kind % 2 === 1) to = at + 5 + raw.readUInt32BE(at + 1);
  else throw malformed();
  if (to > raw.length) throw malformed();
  return to;
}

/** What a binary, string or symbol holds. */
function content(value: Buffer): Buffer {
  return value.subarray((value[0] ?? 0) >= 0xb0 ? 5 : 2);
}

function unsigned(value: Buffer | undefined): number | undefined {
  switch (value?.[0]) {
    case 0x70:
      return value.readUInt32BE(1);
    case 0x52:
      return value.readUInt8(1);
    case 0x43:
      return 0;
    default:
      return undefined;
  }
}

const malformed = () => new AmqpError('amqp:decode-error', 'The message is not a well-formed AMQP message.');
const nothing = Buffer.of(0x40);

function compound(code: number, type: number, parts: readonly Buffer[]): Buffer {
  const start = Buffer.alloc(12);
  start.set([0x00, 0x53, code, type]);
  start.writeUInt32BE(4 + parts.reduce((sum, part) => sum + part.length, 0), 4);
  start.writeUInt32BE(parts.length, 8);
  return Buffer.concat([start, ...parts]);
}
const list = (code: number, fields: readonly Buffer[]) => compound(code, 0xd0, fields);
const map = (code: number, flat: readonly Buffer[]) => compound(code, 0xd1, flat);

function int64(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(9, type);
  bytes.writeBigInt64BE(BigInt(value), 1);
  return bytes;
}
function uint32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(5, type);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}
function text(type: number, value: string): Buffer {
  const utf8 = Buffer.from(value);
  const start = type >= 0xb0 ? uint32(type, utf8.length) : Buffer.of(type, utf8.length);
  return Buffer.concat([start, utf8]);
}

const keys = {
  sequence: text(0xa3, 'x-opt-sequence-number'),
  origin: text(0xa3, 'x-opt-enqueue-sequence-number'),
  enqueued: text(0xa3, 'x-opt-enqueued-time'),
  lockedUntil: text(0xa3, 'x-opt-locked-until'),
  state: text(0xa3, 'x-opt-message-state'),
  deadLetterSource: text(0xa3, 'x-opt-deadletter-source'),
};
