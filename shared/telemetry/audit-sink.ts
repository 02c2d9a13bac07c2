// A copy of every audit event for a collector: one JSON line each, to a file or to syslog (FLOWGRID_AUDIT_SINK). The ledger is what proves; this is what
// alarms. Nobody waits for it: what cannot be sent in time is lost, counted, and told in the log.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { now, wait } from '../clock/clock.ts';
import { log } from './log.ts';

/** What a line needs to be of any use; an event of the ledger has more. */
interface AuditEvent {
  readonly at: string;
  readonly action: string;
  readonly outcome: string;
}

/** Sends one event; rejects when it may not have gone out. */
interface Way {
  send(event: AuditEvent): Promise<void>;
  close(): void;
}

const queueLimit = 10_000;
const againMs = 1_000;
/** Losses are told at most this often. */
const tellMs = 60_000;
/** A stopping process waits this long for what is queued. */
const closeMs = 2_000;
/** The most that fits a UDP datagram over IPv4. */
const datagramBytes = 65_507;

/** `file:/path`, `syslog://host:port` (UDP, RFC 5426), `syslog+tcp://` (RFC 6587, octet counting) or `syslog+tls://` (RFC 5425). */
export function openAuditSink(setting: string | undefined): AuditSink | undefined {
  if (setting === undefined) return undefined;
  if (setting.startsWith('file:')) return new AuditSink(() => toFile(setting.slice('file:'.length).replace(/^\/\/(?=\/)/, '')));
  const { protocol, hostname: host, port } = new URL(setting);
  if (protocol === 'syslog:') return new AuditSink(async () => toDatagrams(host, Number(port)));
  return new AuditSink(() => toStream(protocol === 'syslog+tls:', host, Number(port)));
}

export class AuditSink {
  readonly #open: () => Promise<Way>;
  #queue: AuditEvent[] = [];
  #running: Promise<void> | undefined;
  #lost = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(open: () => Promise<Way>) {
    this.#open = open;
  }

  /** Returns at once. */
  take(events: readonly AuditEvent[]): void {
    const room = queueLimit - this.#queue.length;
    this.#queue.push(...events.slice(0, room));
    if (events.length > room) this.#lose(events.length - Math.max(room, 0));
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
  }

  /** Waits a moment for what is queued. */
  async close(): Promise<void> {
    await Promise.race([this.#running, wait(closeMs)]);
    this.#closed = true;
    if (this.#queue.length > 0) this.#lose(this.#queue.length);
    if (this.#lost > 0) this.#tell();
  }

  /** Opens a way, sends what is queued, and keeps the way for what comes; a broken one is replaced. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closed) {
      let way: Way | undefined;
      try {
        way = await this.#open();
        for (let event = this.#queue[0]; event && !this.#closed; event = this.#queue[0]) {
          await way.send(event);
          this.#queue.shift();
        }
      } catch {
        await wait(againMs);
      } finally {
        way?.close();
      }
    }
  }

  #lose(count: number): void {
    this.#lost += count;
    if (now() - this.#toldAt >= tellMs) this.#tell();
  }

  #tell(): void {
    log.error('audit events did not reach their sink', 'platform', { lost: this.#lost });
    this.#lost = 0;
    this.#toldAt = now();
  }
}

async function toFile(path: string): Promise<Way> {
  return overStream(createWriteStream(path, { flags: 'a', mode: 0o600 }), (event) => `${JSON.stringify(event)}\n`);
}

async function toStream(secure: boolean, host: string, port: number): Promise<Way> {
  const socket = secure ? connectTls({ host, port, servername: host }) : connect({ host, port });
  socket.setTimeout(5_000, () => socket.destroy(new Error('the collector does not read')));
  await once(socket, secure ? 'secureConnect' : 'connect');
  return overStream(socket, (event) => {
    const message = syslogMessage(event);
    return `${Buffer.byteLength(message)} ${message}`;
  });
}

function overStream(stream: Writable, lineOf: (event: AuditEvent) => string): Way {
  let failed: Error | undefined;
  stream.on('error', (error) => {
    failed = error;
  });
  return {
    send: (event) =>
      new Promise((done, fail) => {
        if (failed) return fail(failed);
        stream.write(lineOf(event), (error) => (error ? fail(error) : done()));
      }),
    close: () => void stream.end(),
  };
}

function toDatagrams(host: string, port: number): Way {
  const socket = createSocket('udp4').unref();
  socket.on('error', () => undefined);
  return {
    send: (event) =>
      new Promise((done, fail) => {
        const bytes = Buffer.from(syslogMessage(event));
        // An event too large for a datagram goes without what makes it large.
        const { at, action, outcome } = event;
        const sent = bytes.length <= datagramBytes ? bytes : Buffer.from(syslogMessage({ at, action, outcome }));
        socket.send(sent, port, host, (error) => (error ? fail(error) : done()));
      }),
    close: () => socket.close(),
  };
}

/** RFC 5424 section 6: facility 13 (log audit), severity notice, or warning for what did not succeed. */
function syslogMessage(event: AuditEvent): string {
  const severity = event.outcome === 'success' || event.outcome === 'unknown' ? 5 : 4;
  return `<${13 * 8 + severity}>1 ${event.at} ${hostname()} flowgrid ${process.pid} ${event.action.slice(0, 32)} - ${JSON.stringify(event)}`;
}
