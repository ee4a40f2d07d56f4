/**
 * The admin port: an HTTP server in the app's process that is none of the app's. It never keeps the process alive, its requests
 * have no tag and are not counted, and no other agent sees them: its `emit` is Node's own, whatever has been patched.
 */
import { EventEmitter } from 'node:events';
import http from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';

/** Answers one request. */
export type Handler = (request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams) => void;

/** Handlers by method and path, `GET /metrics`. */
export type Routes = Readonly<Record<string, Handler>>;

/** What is told of a server that listens. */
export interface Listening {
  readonly port: number;
  close(): void;
}

const MAX_URL_LENGTH = 2000;

/** Listens; rejects where it can't. Each process has a port of its own, also the workers of a cluster. */
export function listenForAdmins(host: string, port: number, routes: Routes): Promise<Listening> {
  const server = http.createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    const refused = refusal(request, host);
    if (refused !== undefined) {
      answerText(response, 403, refused);
      return;
    }
    dispatch(routes, request, response);
  });
  Object.defineProperty(server, 'emit', { value: EventEmitter.prototype.emit });
  server.on('connection', (socket: Socket) => socket.unref());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      // What goes wrong later is nothing that the app could do anything about.
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
    // One whose body is none of our business.
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

/** Why a request is refused: pages of a browser must not get here, by whatever name they call a loopback address. */
function refusal(request: http.IncomingMessage, listening: string): string | undefined {
  if (request.headers.origin !== undefined || isFromOtherSite(request.headers['sec-fetch-site'])) return 'Not for pages of other origins.';
  const host = hostOf(request.headers.host);
  return isIP(host) !== 0 || host === listening.toLowerCase() || isPrivateName(host, isLoopback(request.socket.localAddress))
    ? undefined
    : `Host must be an address, localhost, or a name that is no public one: by LANE_ADMIN_HOST=${listening} others are refused.`;
}

/**
 * Whether nobody else can have a name lead here (DNS rebinding). On loopback that is `localhost`. Beyond, where a scraper may know the
 * instance by a name: one without a dot, or below a domain that is never public (RFC 6761, RFC 6762, ICANN's `internal`, Kubernetes' `svc`).
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

/** Whether an address is of this machine's loopback. */
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
