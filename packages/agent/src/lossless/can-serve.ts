/**
 * Whether an app can serve at an address: it accepts connections there and, if a path is given, answers it with 2xx. The check uses a plain
 * socket like a caller, so anything may listen (node:http, a native server, another process of a cluster), and the
 * agent's own client hooks don't interfere. If a plain connection ends without an answer, it tries TLS, whatever the certificate, because it asks
 * this process.
 */
import net from 'node:net';
import type tls from 'node:tls';

/** Time limit for an answer, in milliseconds. */
const TIMEOUT_MS = 2_000;
const MAX_STATUS_LINE = 256;

/** Why the app cannot serve at any of these hosts, in words; undefined: it can. Never rejects. */
export async function whyNotServing(hosts: readonly string[], port: number, path: string | undefined): Promise<string | undefined> {
  let reason: string | undefined;
  for (const host of hosts) {
    const address = `${host}:${port}`;
    const asked = await ask(net.connect({ host, port }), address, path);
    reason = asked.isSilent ? (await ask(connectTls(host, port), address, path)).reason : asked.reason;
    if (reason === undefined) return undefined;
  }
  return reason;
}

function connectTls(host: string, port: number): net.Socket {
  const { connect } = require('node:tls') as typeof tls;
  return connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
}

interface Asked {
  /** undefined: it can serve. */
  readonly reason: string | undefined;
  /** It accepted the connection and ended it without an answer. */
  readonly isSilent: boolean;
}

function ask(socket: net.Socket, where: string, path: string | undefined): Promise<Asked> {
  return new Promise((resolve) => {
    let isConnected = false;
    let text = '';
    const end = (reason: string | undefined, isSilent = false): void => {
      clearTimeout(timer);
      resolve({ reason, isSilent });
      socket.destroy();
    };
    const timer = setTimeout(() => end(`${where} does not answer`), TIMEOUT_MS);
    timer.unref();
    socket.unref();
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      end(`${where} ${isConnected ? 'breaks off' : 'does not accept connections'} (${code ?? message})`, isConnected),
    );
    socket.on('close', () =>
      end(path === undefined ? `${where} closed the connection` : `${where} closed the connection without an answer to ${path}`, isConnected),
    );
    // With TLS, writes wait for the handshake.
    socket.on('connect', () => {
      isConnected = true;
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
