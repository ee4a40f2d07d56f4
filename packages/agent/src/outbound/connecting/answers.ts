/**
 * What instances answer, for outlier ejection: statuses of node:http and https, and of all copies of undici, as their channels tell them;
 * of node:http2 as each stream is answered. An answer counts for the address that it came from, whoever chose that.
 * Limits: gRPC answers 200 whatever went wrong, and is not judged; an instance that is reached by a proxy, or registered by a host name, is not
 * known by the address of its socket.
 */
import { channel } from 'node:diagnostics_channel';
import type http from 'node:http';
import { safely } from '../../patching/safely.js';

/** Told of answers. */
interface AnswerListener {
  /** Whether an answer of this status can change anything. */
  minds(status: number): boolean;
  responded(host: string, port: number, status: number): void;
}

type HttpAnswer = { readonly response: http.IncomingMessage };
type UndiciAnswer = { readonly request: { readonly origin?: unknown }; readonly response: { readonly statusCode: number } };

/** Hears of the answers to node:http and https. */
export function hearHttpAnswers(connecting: AnswerListener): void {
  const hear = safely('http-client answers', ({ response }: HttpAnswer) => {
    const { statusCode: status, socket } = response;
    if (status === undefined || !connecting.minds(status)) return;
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress !== undefined && remotePort !== undefined) connecting.responded(remoteAddress, remotePort, status);
  });
  channel('http.client.response.finish').subscribe((message) => hear(message as HttpAnswer));
}

/** Hears of the answers to undici, of any copy. */
export function hearUndiciAnswers(connecting: AnswerListener): void {
  const hear = safely('undici answers', ({ request, response }: UndiciAnswer) => {
    if (!connecting.minds(response.statusCode)) return;
    const { protocol, hostname, port } = new URL(String(request.origin));
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    connecting.responded(host, port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port), response.statusCode);
  });
  channel('undici:request:headers').subscribe((message) => hear(message as UndiciAnswer));
}
