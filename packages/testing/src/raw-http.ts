/** Sends requests exactly as given: fetch forbids Host and connection headers, and shares connections. */
import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';

/** A request; by default `GET /` on its own connection. */
export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
  readonly agent?: http.Agent;
}

/** The complete answer. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The body of a message. */
export async function textOf(message: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of message.setEncoding('utf8')) text += chunk as string;
  return text;
}

/** Sends a request to a port of `host`, by default loopback. */
export async function ask(port: number, request: RawRequest = {}, host = '127.0.0.1'): Promise<RawAnswer> {
  const { method = 'GET', path = '/', headers = {}, body, agent } = request;
  const sent = http.request({ host, port, method, path, headers: { ...headers }, agent: agent ?? false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await textOf(response) };
}

/** Writes raw bytes, each part separately, and returns everything received until the other side closes, as latin1. */
export async function sendBytes(port: number, parts: string | readonly string[], host = '127.0.0.1'): Promise<string> {
  const socket = connect(port, host).setEncoding('latin1').setNoDelay(true);
  try {
    for (const part of typeof parts === 'string' ? [parts] : parts) await new Promise<void>((resolve) => socket.write(part, () => resolve()));
    let answer = '';
    for await (const chunk of socket) answer += chunk as string;
    return answer;
  } finally {
    socket.destroy();
  }
}
