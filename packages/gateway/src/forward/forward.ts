/**
 * A request's way to an instance, and the answer's way back.
 *
 * Plain node:http, under our own rules (request-framing.ts, request-head.ts, answer-head.ts): each side is framed by what Node has parsed
 * on the other one, never by copied headers. Every listener has a `try`: whatever a peer sends only fails its own request.
 */
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import { BROKEN_OFF, type Instance, type LaneContext, type Log } from '@lane/core/model';
import type { Decider } from '../decide/decide.js';
import type { CompiledTarget } from '../decide/routes.js';
import { addressOf, type Exchange } from '../exchange.js';
import type { AnyResponse } from '../listen/listener.js';
import { answerFields, answerLines, answerProblem, reasonOf } from './answer-head.js';
import { BadAnswerError, failureOf, GATEWAY_TIMEOUT, isBrokenOff, type Listen, listenWith } from './failures.js';
import { trailersOf } from './header-names.js';
import { busy, InstanceTimeoutError, NotConnectedError, type InstanceAgent, type InstanceLoad } from './instance-connection.js';
import { forwardsLeft, isHttp2, type Refusal } from './request-framing.js';
import type { RequestHeads } from './request-head.js';

/** Dependencies of forwarding. */
export interface ForwardOptions {
  readonly decider: Decider;
  readonly heads: RequestHeads;
  readonly agent: InstanceAgent;
  readonly load: InstanceLoad;
  readonly responseMs: number;
  readonly idleMs: number;
  readonly log: Log;
  /** Called with the status of each answer of an instance. */
  readonly answered: (instance: Instance, status: number) => void;
  /** Whether clients are told to go elsewhere. */
  readonly isDraining: () => boolean;
  /** The lane that is sent on; undefined: what a trusted client said of it. */
  readonly laneOf: (exchange: Exchange) => LaneContext | undefined;
}

/** How many informational answers to one request are accepted. */
const MAX_INFORMATIONAL = 32;

/** Methods that may be repeated (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Forwards a request, and answers it. A request that must not pass another proxy ends here (RFC 9110, 7.6.2): OPTIONS gets 200, TRACE 405. */
export function forward(options: ForwardOptions, exchange: Exchange, response: AnyResponse, target: CompiledTarget): void {
  if (forwardsLeft(exchange.request) === 0) {
    const status = exchange.request.method === 'OPTIONS' ? 200 : 405;
    refuse(exchange, response, { status, message: 'the request ends at the gateway (Max-Forwards: 0)' }, options.isDraining());
    return;
  }
  new Passage(options, exchange, response, target).start();
}

/** Answers a request without an instance. */
export function refuse(exchange: Exchange, response: AnyResponse, { status, message }: Refusal, closes: boolean): void {
  const { request } = exchange;
  const body = `${message}\n`;
  exchange.status = status;
  if (status >= 400) exchange.problem ??= message;
  exchange.bytes = Buffer.byteLength(body);
  const headers: OutgoingHttpHeaders = {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': exchange.bytes,
    'x-content-type-options': 'nosniff',
  };
  if (closes && !isHttp2(request)) headers['connection'] = 'close';
  // A cache may store refusals, too: a lane without instances says nothing about base.
  const vary = varyFor(exchange);
  if (vary !== undefined) headers['vary'] = vary;
  (response as ServerResponse).writeHead(status, headers).end(body);
  endUpload(exchange, response);
}

/** What to add to the instance's own `Vary`; answers to other methods are not cached. */
function varyFor({ view, vary }: Exchange): string | undefined {
  return view.method === 'GET' || view.method === 'HEAD' ? vary : undefined;
}

/** Nobody reads the rest of the client's body. */
function endUpload({ request }: Exchange, response: AnyResponse): void {
  if (!isHttp2(request)) request.resume();
  else if (!request.complete) response.once('finish', () => setImmediate(() => request.stream.close(http2.constants.NGHTTP2_NO_ERROR)));
}

class Passage {
  readonly #options: ForwardOptions;
  readonly #exchange: Exchange;
  readonly #response: AnyResponse;
  readonly #target: CompiledTarget;
  readonly #tried = new Set<Instance>();
  readonly #on: Listen;
  #outgoing: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #informational = 0;
  #uploaded = false;
  #isAnew = false;
  #isOver = false;

  constructor(options: ForwardOptions, exchange: Exchange, response: AnyResponse, target: CompiledTarget) {
    this.#options = options;
    this.#exchange = exchange;
    this.#response = response;
    this.#target = target;
    this.#on = listenWith((error) => this.#fail(error));
  }

  start(): void {
    const { request } = this.#exchange;
    // The client left, or the request is over.
    this.#on(this.#response, 'close', () => this.#end());
    this.#on(this.#response, 'error', () => this.#end());
    this.#on(request, 'error', () => this.#end());
    this.#on(request, 'aborted', () => this.#end());
    this.#try();
  }

  #try(): void {
    const { decider } = this.#options;
    const exchange = this.#exchange;
    const instance = decider.choose(exchange, this.#target, this.#tried);
    if (instance === undefined) {
      this.#refuse(decider.unavailable(exchange, this.#target));
      return;
    }
    this.#tried.add(instance);
    this.#sendTo(instance, addressOf(instance));
  }

  #sendTo(instance: Instance, address: string): void {
    const { load } = this.#options;
    if (!load.enter(address)) {
      this.#notConnected(busy(load.limit));
      return;
    }
    try {
      this.#send(instance, address);
    } catch (error) {
      if (this.#outgoing !== undefined) this.#fail(error);
      else {
        load.leave(address);
        // Node's client accepts less than its server: this is a method or a path that HTTP/1 does not have.
        this.#refuse({ status: 400, message: 'the request has a method or a target that HTTP/1.1 does not allow' });
      }
    }
  }

  #send(instance: Instance, address: string): void {
    const { agent, heads, load, laneOf, idleMs } = this.#options;
    const exchange = this.#exchange;
    const { request, head, client, requestId } = exchange;
    const outgoing = http.request({
      host: instance.ip,
      port: instance.port,
      method: request.method,
      path: head.target,
      ...(this.#isAnew ? { createConnection: agent.connectAnew } : { agent }),
      headers: heads.linesFor({ request, head, client, requestId, lane: laneOf(exchange), service: this.#target.key.name, fallbackHost: address }),
    });
    // Without a limit, Node drops none silently; the size of the head is limited anyway.
    outgoing.maxHeadersCount = 0;
    agent.noteAnswer(outgoing);
    this.#outgoing = outgoing;
    outgoing.once('close', () => load.leave(address));
    // Ignore events of a finished request: we cause them ourselves when we end it because the client left or the answer took too long.
    const on: Listen = (emitter, event, listener) =>
      this.#on(emitter, event, (...values) => outgoing === this.#outgoing && !this.#isOver && listener(...values));
    on(outgoing, 'socket', () => this.#upload(outgoing));
    on(outgoing, 'information', (info: http.InformationEvent) => this.#pass1xx(info));
    on(outgoing, 'response', (answer: IncomingMessage) => {
      this.#options.answered(instance, answer.statusCode as number);
      this.#download(answer);
    });
    on(outgoing, 'error', (error: Error) => {
      if (error instanceof NotConnectedError) this.#notConnected(error);
      else if (this.#isStale(outgoing, error)) this.#sendAnew(instance, address);
      else if (this.#answer === undefined && !outgoing.reusedSocket && isBrokenOff(error)) {
        this.#options.answered(instance, BROKEN_OFF);
        this.#fail(error);
      }
      // Data after a complete answer ends the connection, not the answer.
      else if (this.#answer?.complete !== true) this.#fail(error);
    });
    on(outgoing, 'close', () => {
      if (this.#answer === undefined) this.#fail(new BadAnswerError('it closed the connection'));
    });
    outgoing.setTimeout(idleMs, () => {
      // While waiting for the answer, another limit applies.
      if (this.#answer !== undefined || !outgoing.writableFinished) this.#fail(new InstanceTimeoutError(`no byte within ${idleMs} ms`));
    });
  }

  /**
   * Whether the instance closed a kept-alive connection just as it was reused. Nobody knows whether it has executed the request, so
   * only a repeatable one is retried (RFC 9112, 9.3.1), and only without a body.
   */
  #isStale(outgoing: ClientRequest, error: NodeJS.ErrnoException): boolean {
    const { request, head } = this.#exchange;
    if (!outgoing.reusedSocket || this.#isAnew || this.#isOver || this.#answer !== undefined || this.#informational > 0) return false;
    return isBrokenOff(error) && head.body === 'none' && IDEMPOTENT.has(request.method ?? '');
  }

  /** Over a new connection: other kept-alive ones may be closed, too. */
  #sendAnew(instance: Instance, address: string): void {
    clearTimeout(this.#waiting);
    this.#outgoing = undefined;
    this.#isAnew = true;
    this.#exchange.retries++;
    this.#sendTo(instance, address);
  }

  #notConnected(error: NotConnectedError): void {
    const exchange = this.#exchange;
    this.#outgoing = undefined;
    const { decider, log } = this.#options;
    const failed = exchange.instance;
    const failedDecision = exchange.decision;
    const next = this.#isOver ? undefined : decider.choose(exchange, this.#target, this.#tried);
    if (next === undefined) {
      exchange.instance = failed;
      exchange.decision = failedDecision;
      this.#refuse(failureOf(exchange, error, log));
      return;
    }
    exchange.retries++;
    log.warn(`${this.#target.key.name} at ${failed === undefined ? '?' : addressOf(failed)} did not answer, trying another instance`, {
      error: error.message,
      request: exchange.requestId,
    });
    this.#try();
  }

  /** Connected; nothing of the client's body has been read before. */
  #upload(outgoing: ClientRequest): void {
    const { request, head } = this.#exchange;
    if (head.body === 'none') {
      outgoing.end();
      this.#uploaded = true;
      this.#awaitAnswer(outgoing);
      return;
    }
    const on: Listen = (emitter, event, listener) =>
      this.#on(emitter, event, (...values) => outgoing === this.#outgoing && !this.#isOver && listener(...values));
    on(request, 'data', (chunk: Buffer) => {
      if (!outgoing.write(chunk)) request.pause();
    });
    on(outgoing, 'drain', () => request.resume());
    on(request, 'end', () => {
      this.#uploaded = true;
      if (head.body === 'chunked') {
        const trailers = trailersOf(request.rawTrailers, this.#options.heads.isGuarded);
        if (trailers.length > 0) outgoing.addTrailers(trailers);
      }
      outgoing.end();
      this.#awaitAnswer(outgoing);
    });
  }

  #awaitAnswer(outgoing: ClientRequest): void {
    const { responseMs } = this.#options;
    if (this.#answer !== undefined) return;
    const { instance } = this.#exchange;
    this.#waiting = setTimeout(() => {
      if (outgoing !== this.#outgoing) return;
      if (instance !== undefined) this.#options.answered(instance, GATEWAY_TIMEOUT);
      this.#fail(new InstanceTimeoutError(`no answer within ${responseMs} ms`));
    }, responseMs);
  }

  /** 102 and 103; Node can't send others, and the gateway handles 100 itself. */
  #pass1xx({ statusCode, headers }: http.InformationEvent): void {
    if (++this.#informational > MAX_INFORMATIONAL) {
      this.#fail(new BadAnswerError(`it sent more than ${MAX_INFORMATIONAL} informational answers`));
      return;
    }
    const { request } = this.#exchange;
    const { link } = headers;
    if (statusCode !== 103 || link === undefined || request.httpVersion === '1.0') return;
    const links = (Array.isArray(link) ? link : [link]).flatMap((line) => line.split(/,\s*(?=<)/));
    try {
      this.#response.writeEarlyHints({ link: links });
    } catch {
      // Hints are optional: Node accepts only some forms of Link.
    }
  }

  #download(answer: IncomingMessage): void {
    clearTimeout(this.#waiting);
    this.#answer = answer;
    const exchange = this.#exchange;
    const response = this.#response;
    const { request } = exchange;
    this.#on(answer, 'error', (error: Error) => this.#fail(error));
    const problem = answerProblem(answer);
    if (problem !== undefined) {
      this.#fail(new BadAnswerError(problem));
      return;
    }
    this.#writeHead(answer);
    exchange.status = answer.statusCode as number;
    this.#on(answer, 'data', (chunk: Buffer) => {
      if (this.#isOver) return;
      exchange.bytes += chunk.length;
      if (!(response as ServerResponse).write(chunk)) answer.pause();
    });
    this.#on(response, 'drain', () => answer.resume());
    this.#on(answer, 'end', () => {
      if (this.#isOver) return;
      if (!answer.complete) throw new BadAnswerError('its answer was cut off');
      this.#isOver = true;
      const takesTrailers = isHttp2(request) || (response as ServerResponse).chunkedEncoding;
      const trailers = takesTrailers ? trailersOf(answer.rawTrailers, () => false) : [];
      if (isHttp2(request)) (response as Http2ServerResponse).addTrailers(Object.fromEntries(trailers));
      else if (trailers.length > 0) (response as ServerResponse).addTrailers(trailers);
      response.end();
      if (this.#uploaded) return;
      // Answered before the whole request was sent: nobody needs the rest.
      this.#outgoing?.destroy();
      endUpload(exchange, response);
    });
  }

  #writeHead(answer: IncomingMessage): void {
    const { request, view } = this.#exchange;
    const status = answer.statusCode as number;
    const said = varyFor(this.#exchange);
    if (isHttp2(request)) {
      (this.#response as Http2ServerResponse).writeHead(status, answerFields(answer, said));
      return;
    }
    const lines = answerLines(answer, view.method, request.httpVersionMinor >= 1, said);
    if (this.#options.isDraining()) lines.push('Connection', 'close');
    const reason = reasonOf(answer);
    const response = this.#response as ServerResponse;
    if (reason === undefined) response.writeHead(status, lines);
    else response.writeHead(status, reason, lines);
  }

  /** The request can no longer be served: answers with an error if nothing has been sent yet, otherwise breaks off. */
  #fail(error: unknown): void {
    if (this.#isOver) return;
    const response = this.#response;
    const refusal = failureOf(this.#exchange, error, this.#options.log);
    if (response.headersSent) {
      this.#end();
      const { request } = this.#exchange;
      if (isHttp2(request)) request.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else response.destroy();
    } else this.#refuse(refusal);
  }

  #refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#end();
    if (!this.#response.destroyed) refuse(this.#exchange, this.#response, refusal, this.#options.isDraining());
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#waiting);
    this.#answer?.destroy();
    this.#outgoing?.destroy();
  }
}
