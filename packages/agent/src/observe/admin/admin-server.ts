/**
 * The admin port: an HTTP server in the app's process, separate from the app. It never keeps the process alive. Its requests
 * have no tag and are not counted, and no other agent sees them: its `emit` is Node's own, whatever has been patched.
 */
import { EventEmitter } from 'node:events';
import http from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';
import { safely } from '../../patching/safely.js';

/** Answers one request. */
export type Handler = (request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams) => void;

/** Handlers by method and path, `GET /metrics`. */
export type Routes = Readonly<Record<string, Handler>>;

/** A listening server. */
export interface Listening {
  readonly port: number;
  close(): void;
}

const MAX_URL_LENGTH = 2000;

/** Listens; rejects if it can't. Each process has its own port, also the workers of a cluster. */
export function listenForAdmins(host: string, port: number, routes: Routes): Promise<Listening> {
  // What a listener throws would end the host.
  const answer = safely('LANE_ADMIN_PORT', (request: http.IncomingMessage, response: http.ServerResponse): true => {
    const refused = refusal(request, host);
    if (refused === undefined) dispatch(routes, request, response);
    else answerText(response, 403, refused);
    return true;
  });
  const server = http.createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    if (answer(request, response) === true) return;
    if (response.headersSent) response.destroy();
    else answerText(response, 500, "The agent failed to answer; the app's log has the reason.");
  });
  Object.defineProperty(server, 'emit', { value: EventEmitter.prototype.emit });
  server.on('connection', (socket: Socket) => socket.unref());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      // The app could do nothing about later errors.
      server.on('error', () => {});
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
    server.unref();
  });
}

function dispatch(routes: Routes, request: http.IncomingMessage, response: http.ServerResponse): void {
  const url = request.url ?? '/';
  if (url.length > MAX_URL_LENGTH) {
    answerText(response, 414, 'The address is too long.');
    return;
  }
  const at = url.indexOf('?');
  const path = at === -1 ? url : url.slice(0, at);
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const handler = Object.hasOwn(routes, `${method} ${path}`) ? routes[`${method} ${path}`] : undefined;
  if (handler !== undefined) {
    // Ignore its body.
    request.resume();
    handler(request, response, new URLSearchParams(at === -1 ? '' : url.slice(at + 1)));
    return;
  }
  const allowed = Object.keys(routes)
    .filter((route) => route.endsWith(` ${path}`))
    .map((route) => route.split(' ')[0]);
  if (allowed.length > 0) {
    response.setHeader('allow', allowed.join(', '));
    answerText(response, 405, `Only ${allowed.join(', ')}.`);
  } else answerText(response, 404, `There is ${Object.keys(routes).join(', ')}.`);
}

/** Why a request is refused: browser pages must not get here, under any name for a loopback address. */
function refusal(request: http.IncomingMessage, listening: string): string | undefined {
  if (request.headers.origin !== undefined || isFromOtherSite(request.headers['sec-fetch-site'])) return 'Not for pages of other origins.';
  const host = hostOf(request.headers.host);
  return isIP(host) !== 0 || host === listening.toLowerCase() || isPrivateName(host, isLoopback(request.socket.localAddress))
    ? undefined
    : `Host must be an address, localhost, or a name that is no public one: by LANE_ADMIN_HOST=${listening} others are refused.`;
}

/**
 * Whether outsiders cannot make a name resolve here (DNS rebinding). On loopback that is only `localhost`. Beyond it, a scraper may use
 * a name without a dot, or below a domain that is never public (RFC 6761, RFC 6762, ICANN's `internal`, Kubernetes' `svc`).
 */
function isPrivateName(host: string, onLoopback: boolean): boolean {
  if (host === 'localhost') return true;
  return !onLoopback && host !== '' && (!host.includes('.') || /\.(?:localhost|local|internal|svc)$/.test(host));
}

function isFromOtherSite(site: string | string[] | undefined): boolean {
  return site !== undefined && site !== 'none' && site !== 'same-origin';
}

function hostOf(header: string | undefined): string {
  const host = (header ?? '').toLowerCase();
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']'));
  const colon = host.indexOf(':');
  return colon === -1 ? host : host.slice(0, colon);
}

/** Whether an address is on this machine's loopback. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address));
}

/** Answers with text. */
export function answerText(response: http.ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.end(text.endsWith('\n') ? text : `${text}\n`);
}

/** Answers with JSON. */
export function answerJson(response: http.ServerResponse, value: unknown): void {
  answerText(response, 200, JSON.stringify(value, null, 2), 'application/json; charset=utf-8');
}
