/**
 * A request's way to an instance, and the answer's way back.
 *
 * Plain node:http, under rules of our own (request-framing.ts, request-head.ts, answer-head.ts): each side is framed by what Node has parsed
 * on the other one, never by headers that are copied. Every listener stands in a `try`: whatever a peer sends, it fails its own request.
 */
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import type { Instance, LaneContext, Log } from '@lane/core/model';
import type { Decider } from '../decide/decide.js';
import type { CompiledTarget } from '../decide/routes.js';
import { addressOf, type Exchange } from '../exchange.js';
import type { AnyResponse } from '../listen/listener.js';
import { answerFields, answerLines, answerProblem, reasonOf } from './answer-head.js';
import { BadAnswerError, failureOf, listenWith, type Listen } from './failures.js';
import { trailersOf } from './header-names.js';
import { busy, InstanceTimeoutError, NotConnectedError, noteMoreThanAnswer, type InstanceAgent, type InstanceLoad } from './instance-connection.js';
import { isHttp2, type Refusal } from './request-framing.js';
import type { RequestHeads } from './request-head.js';

/** What forwarding needs. */
export interface ForwardOptions {
  readonly decider: Decider;
  readonly heads: RequestHeads;
  readonly agent: InstanceAgent;
  readonly load: InstanceLoad;
  readonly responseMs: number;
  readonly idleMs: number;
  readonly log: Log;
  /** Whether clients are told to go elsewhere. */
  readonly isDraining: () => boolean;
  /** The lane that is sent on; undefined: what a trusted client said of it. */
  readonly laneOf: (exchange: Exchange) => LaneContext | undefined;
}

/** Informational answers to one request that are put up with. */
const MAX_INFORMATIONAL = 32;

/** Sends a request on, and answers it. */
export function forward(options: ForwardOptions, exchange: Exchange, response: AnyResponse, target: CompiledTarget): void {
  new Passage(options, exchange, response, target).start();
}

/** Answers a request by the gateway itself. */
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
  // A cache may be told to keep refusals, too: a lane without instances is no news for base.
  const vary = varyFor(exchange);
  if (vary !== undefined) headers['vary'] = vary;
  (response as ServerResponse).writeHead(status, headers).end(body);
  endUpload(exchange, response);
}

/** What `Vary` says besides the instance's own: answers to other methods are not kept. */
function varyFor({ view, vary }: Exchange): string | undefined {
  return view.method === 'GET' || view.method === 'HEAD' ? vary : undefined;
}

/** What is left of the client's body is read by nobody. */
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
    // The client left, or it is all over.
    this.#on(this.#response, 'close', () => this.#end());
    this.#on(this.#response, 'error', () => this.#end());
    this.#on(request, 'error', () => this.#end());
    this.#on(request, 'aborted', () => this.#end());
    this.#try();
  }

  #try(): void {
    const { decider, load } = this.#options;
    const exchange = this.#exchange;
    const instance = decider.choose(exchange, this.#target, this.#tried);
    if (instance === undefined) {
      this.#refuse(decider.unavailable(exchange, this.#target));
      return;
    }
    this.#tried.add(instance);
    const address = addressOf(instance);
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
        // Node's client takes less than its server: a method or a path that HTTP/1 does not have.
        this.#refuse({ status: 400, message: 'the request has something that HTTP/1.1 can not say' });
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
      agent,
      headers: heads.linesFor({ request, head, client, requestId, lane: laneOf(exchange), fallbackHost: address }),
    });
    // Without a limit Node drops none in silence; the size of the head is limited anyway.
    outgoing.maxHeadersCount = 0;
    noteMoreThanAnswer(outgoing);
    this.#outgoing = outgoing;
    outgoing.once('close', () => load.leave(address));
    const on: Listen = (emitter, event, listener) => this.#on(emitter, event, (...values) => outgoing === this.#outgoing && listener(...values));
    on(outgoing, 'socket', () => this.#upload(outgoing));
    on(outgoing, 'information', (info: http.InformationEvent) => this.#pass1xx(info));
    on(outgoing, 'response', (answer: IncomingMessage) => this.#download(answer));
    on(outgoing, 'error', (error: Error) => {
      if (error instanceof NotConnectedError) this.#notConnected(error);
      // What comes behind a whole answer ends the connection, not the answer.
      else if (this.#answer?.complete !== true) this.#fail(error);
    });
    on(outgoing, 'close', () => {
      if (this.#answer === undefined) this.#fail(new BadAnswerError('it closed the connection'));
    });
    outgoing.setTimeout(idleMs, () => {
      // While the answer is waited for, another limit holds.
      if (this.#answer !== undefined || !outgoing.writableFinished) this.#fail(new InstanceTimeoutError(`no byte within ${idleMs} ms`));
    });
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

  /** A connection is there; nothing of the client's body has been read before. */
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
    this.#waiting = setTimeout(() => {
      if (outgoing === this.#outgoing) this.#fail(new InstanceTimeoutError(`no answer within ${responseMs} ms`));
    }, responseMs);
  }

  /** 102 and 103; Node can't be told to send others, and 100 is the gateway's own affair. */
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
      // Hints may be left out: Node takes fewer forms of Link than there are.
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
      if (!answer.complete) throw new BadAnswerError('its answer breaks off');
      this.#isOver = true;
      const takesTrailers = isHttp2(request) || (response as ServerResponse).chunkedEncoding;
      const trailers = takesTrailers ? trailersOf(answer.rawTrailers, () => false) : [];
      if (isHttp2(request)) (response as Http2ServerResponse).addTrailers(Object.fromEntries(trailers));
      else if (trailers.length > 0) (response as ServerResponse).addTrailers(trailers);
      response.end();
      if (this.#uploaded) return;
      // Answered before all was said: the rest is for nobody.
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

  /** The request can't be served any more: says so, where nothing has been said yet, else breaks off. */
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
