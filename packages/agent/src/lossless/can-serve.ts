/**
 * Whether an app can serve at an address: it accepts connections there and, if a path is given, answers it with 2xx. Asked over a plain
 * socket, as whoever calls would: so it does not matter what listens (node:http, a native server, another process of a cluster), and the
 * agent's own hooks on clients have no say.
 */
import net from 'node:net';

/** An answer that takes longer is none, in milliseconds. */
const TIMEOUT_MS = 2_000;
const MAX_STATUS_LINE = 256;

/** What keeps the app from serving at any of these hosts, in words; undefined: it can. Never rejects. */
export async function whyNotServing(hosts: readonly string[], port: number, path: string | undefined): Promise<string | undefined> {
  let reason: string | undefined;
  for (const host of hosts) {
    reason = await ask(host, port, path);
    if (reason === undefined) return undefined;
  }
  return reason;
}

function ask(host: string, port: number, path: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let text = '';
    const end = (reason: string | undefined): void => {
      clearTimeout(timer);
      resolve(reason);
      socket.destroy();
    };
    const where = `${host}:${port}`;
    const timer = setTimeout(() => end(`${where} does not answer`), TIMEOUT_MS);
    timer.unref();
    socket.unref();
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) => end(`${where} does not accept connections (${code ?? message})`));
    socket.on('close', () =>
      end(path === undefined ? `${where} closed the connection` : `${where} closed the connection without an answer to ${path}`),
    );
    socket.on('connect', () => {
      if (path === undefined) end(undefined);
      else socket.write(`GET ${path} HTTP/1.1\r\nHost: ${where}\r\nUser-Agent: lane-agent\r\nAccept: */*\r\nConnection: close\r\n\r\n`);
    });
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const [, status] = /^HTTP\/1\.[01] (\d{3})\b/.exec(text) ?? [];
      if (status !== undefined) end(status.startsWith('2') ? undefined : `${path} of ${where} answers ${status}`);
      else if (text.length > MAX_STATUS_LINE) end(`${path} of ${where} does not answer in HTTP/1.1`);
    });
  });
}
