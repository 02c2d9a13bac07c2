// HTTP as bytes on a socket, for what no client library would send or show.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).setNoDelay(true);
    socket.once('error', reject);
  });
}

/** Sends one request (head lines without the end, and a body) on a connection of its own; returns all that comes back until it is closed. */
export async function exchange(port: number, head: readonly string[], body = ''): Promise<string> {
  const socket = await openSocket(port);
  socket.write([...head, 'Connection: close', '', body].join('\r\n'));
  let text = '';
  socket.setEncoding('latin1').on('data', (data) => (text += data));
  await once(socket, 'close');
  return text;
}
