/**
 * Answers of instances, for outlier ejection: statuses of node:http and https, and of all copies of undici, from their channels;
 * of node:http2 as each stream is answered; of gRPC the status that the server sent; and HTTP/1 connections that break off before an
 * answer. No channel reports an upgrade, such as a WebSocket: we hear it when the connection leaves HTTP. Each answer counts for the address that
 * it came from, whoever chose it.
 * Limit: the address of a socket does not identify an instance behind a proxy, or one registered by a host name.
 */
import { channel } from 'node:diagnostics_channel';
import type http from 'node:http';
import type http2 from 'node:http2';
import type net from 'node:net';
import { BROKEN_OFF, httpStatusOfGrpc } from '@lane/core/model';
import { safely } from '../../patching/safely.js';
import { reachedBy } from './reached.js';

/** Receives answers. */
interface AnswerListener {
  /** Whether an answer with this status can matter. */
  minds(status: number): boolean;
  responded(host: string, port: number, status: number): void;
}

/** The connection speaks another protocol from here on (RFC 9110, 15.2.2): the one status of 1xx that is an answer. */
const SWITCHED = 101;

type HttpRequest = http.ClientRequest & { readonly res?: http.IncomingMessage | null };
type HttpAnswer = { readonly response: http.IncomingMessage };
type HttpFailure = { readonly request: http.ClientRequest & { readonly res?: unknown }; readonly error: NodeJS.ErrnoException };
type UndiciFailure = {
  readonly request: { readonly origin?: unknown };
  readonly error: NodeJS.ErrnoException & { readonly socket?: { bytesRead: number } };
};
type UndiciAnswer = { readonly request: { readonly origin?: unknown }; readonly response: { readonly statusCode: number } };

/** Listens to answers to node:http and https. */
export function hearHttpAnswers(connecting: AnswerListener): void {
  const hear = safely('http-client answers', ({ response }: HttpAnswer) => {
    const { statusCode: status, socket } = response;
    if (status === undefined || !connecting.minds(status)) return;
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress !== undefined && remotePort !== undefined) connecting.responded(remoteAddress, remotePort, status);
  });
  channel('http.client.response.finish').subscribe((message) => hear(message as HttpAnswer));
  const hearFailure = safely('http-client failures', ({ request, error }: HttpFailure) => {
    // An abandoned request is destroyed before it fails, and a kept-alive connection may have been closed by then.
    if (!isBroken(error) || request.destroyed || request.reusedSocket || (request.res !== undefined && request.res !== null)) return;
    const reached = request.socket === null ? undefined : reachedBy(request.socket);
    if (reached !== undefined) connecting.responded(reached.ip, reached.port, BROKEN_OFF);
  });
  channel('http.client.request.error').subscribe((message) => hearFailure(message as HttpFailure));
}

/**
 * Returns a listener for the upgrade that a node:http request may ask for, given its socket, which leaves its agent then. We can't listen for
 * `upgrade`: Node behaves differently if there is a listener.
 */
export function hearHttpUpgrades(connecting: AnswerListener): (request: http.ClientRequest, socket: net.Socket) => void {
  const hear = safely('http-client upgrades', (request: HttpRequest, socket: net.Socket) => {
    const status = request.res?.statusCode;
    const { remoteAddress, remotePort } = socket;
    if (status === SWITCHED && remoteAddress !== undefined && remotePort !== undefined) connecting.responded(remoteAddress, remotePort, status);
  });
  return (request, socket) => {
    // While nobody is suspected, a good answer changes nothing.
    if (!connecting.minds(SWITCHED) || !asksForUpgrade(request)) return;
    const left = (): void => hear(request, socket);
    socket.once('agentRemove', left);
    request.once('close', () => socket.removeListener('agentRemove', left));
  };
}

/** Array headers are stored before there is a socket, and the request has none by name. */
function asksForUpgrade(request: http.ClientRequest & { readonly _header?: unknown }): boolean {
  const { _header: stored } = request;
  return request.hasHeader('upgrade') || (typeof stored === 'string' && /\nupgrade:/i.test(stored));
}

/** Reports the status of a handshake by a client that speaks WebSocket over a socket of its own. */
export function tellHandshake(connecting: AnswerListener, { remoteAddress, remotePort }: net.Socket, status: unknown): void {
  if (typeof status === 'number' && connecting.minds(status) && remoteAddress !== undefined && remotePort !== undefined)
    connecting.responded(remoteAddress, remotePort, status);
}

/** Listens to answers to any copy of undici. */
export function hearUndiciAnswers(connecting: AnswerListener): void {
  const tell = ({ origin }: UndiciAnswer['request'], status: number): void => {
    const { protocol, hostname, port } = new URL(String(origin));
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    connecting.responded(host, port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port), status);
  };
  const hear = safely('undici answers', ({ request, response }: UndiciAnswer) => {
    // Of an upgrade some versions tell, and others don't: its handler does.
    if (response.statusCode !== SWITCHED && connecting.minds(response.statusCode)) tell(request, response.statusCode);
  });
  channel('undici:request:headers').subscribe((message) => hear(message as UndiciAnswer));
  const hearFailure = safely('undici failures', ({ request, error }: UndiciFailure) => {
    // undici knows that nothing was ever read from the connection, so it was not a kept-alive one.
    if (isBroken(error) || (error.code === 'UND_ERR_SOCKET' && error.socket?.bytesRead === 0)) tell(request, BROKEN_OFF);
  });
  channel('undici:request:error').subscribe((message) => hearFailure(message as UndiciFailure));
}

/** Returns the listener for the answer to a stream of node:http2. */
export function hearHttp2Answers(connecting: AnswerListener): (stream: http2.ClientHttp2Stream) => void {
  const tell = ({ session }: http2.ClientHttp2Stream, status: number): void => {
    const socket = session !== undefined && connecting.minds(status) ? session.socket : undefined;
    if (socket?.remoteAddress !== undefined && socket.remotePort !== undefined) connecting.responded(socket.remoteAddress, socket.remotePort, status);
  };
  /** gRPC always answers 200: its own status is in the headers if there is no body, else in the trailers. */
  const tellGrpc = (stream: http2.ClientHttp2Stream, code: unknown): void => {
    if (code !== undefined) tell(stream, httpStatusOfGrpc(Number(code)));
  };
  const hear = safely('http2-client answers', (stream: http2.ClientHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const status = Number(headers[':status']);
    if (status !== 200 || !isGrpc(headers['content-type'])) tell(stream, status);
    else if (headers['grpc-status'] === undefined) stream.once('trailers', trailed);
    else tellGrpc(stream, headers['grpc-status']);
  });
  const hearTrailers = safely('http2-client answers', (stream: http2.ClientHttp2Stream, trailers: http2.IncomingHttpHeaders) =>
    tellGrpc(stream, trailers['grpc-status']),
  );
  function answered(this: http2.ClientHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    hear(this, headers);
  }
  function trailed(this: http2.ClientHttp2Stream, trailers: http2.IncomingHttpHeaders): void {
    hearTrailers(this, trailers);
  }
  return (stream) => void stream.once('response', answered);
}

/** Whether the peer broke the connection off. */
function isBroken({ code, syscall }: NodeJS.ErrnoException): boolean {
  return (code === 'ECONNRESET' || code === 'EPIPE') && syscall !== 'connect';
}

/** gRPC-Web has its status in the body. */
function isGrpc(type: string | undefined): boolean {
  return type?.startsWith('application/grpc') === true && !type.startsWith('application/grpc-web');
}
