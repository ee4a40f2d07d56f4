/**
 * WebSockets: a handshake is forwarded like a request, and only the instance's 101 turns the connection into a tunnel. Any other answer ends it,
 * so that nobody reads what a client sends after a refused handshake.
 */
import http, { STATUS_CODES, validateHeaderName, validateHeaderValue, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { BROKEN_OFF, type Instance } from '@lane/core/model';
import type { CompiledTarget } from '../decide/routes.js';
import { addressOf, type Exchange } from '../exchange.js';
import { answerProblem, answerLines, reasonOf } from '../forward/answer-head.js';
import { BadAnswerError, failureOf, GATEWAY_TIMEOUT, isBrokenOff, listenWith, type Listen } from '../forward/failures.js';
import type { ForwardOptions } from '../forward/forward.js';
import {
  agentOf,
  busy,
  connectInstance,
  InstanceTimeoutError,
  type NotConnectedError,
  type OutcomeListener,
} from '../forward/instance-connection.js';
import type { Refusal } from '../forward/request-framing.js';

/** Dependencies of upgrades. */
export interface UpgradeOptions extends ForwardOptions {
  readonly connectMs: number;
  readonly heard: OutcomeListener;
}

/** Answers a handshake without an instance, and ends its connection. */
export function refuseUpgrade(exchange: Exchange, socket: Socket, { status, message }: Refusal): void {
  const body = `${message}\n`;
  exchange.status = status;
  exchange.problem ??= message;
  exchange.bytes = Buffer.byteLength(body);
  endSoon(
    exchange,
    socket,
    headText(status, undefined, ['Connection', 'close', 'Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(exchange.bytes)]) +
      body,
  );
}

/**
 * Ends a connection once everything is written: otherwise a client could keep it half open forever. For a handshake with a body, Node 26 passes a
 * stream in front of the socket, and only that stream knows when everything is written.
 */
function endSoon({ request }: Exchange, socket: Socket, last = ''): void {
  socket.end(last, () => (request.socket as Socket).destroySoon());
}

function headText(status: number, reason: string | undefined, lines: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${reason ?? STATUS_CODES[status] ?? 'Unknown'}\r\n`;
  for (let i = 0; i < lines.length; i += 2) {
    validateHeaderName(lines[i] as string);
    validateHeaderValue(lines[i] as string, lines[i + 1] as string);
    text += `${lines[i]}: ${lines[i + 1]}\r\n`;
  }
  return `${text}\r\n`;
}

/** Forwards a handshake. */
export function upgrade(options: UpgradeOptions, exchange: Exchange, socket: Socket, head: Buffer, target: CompiledTarget): void {
  // A tunnel may be half closed; before there is one, an end means that the client has left.
  socket.once('end', () => {
    if (exchange.status !== 101) socket.destroy();
  });
  new Upgrade(options, exchange, socket, head, target).try();
}

class Upgrade {
  readonly #tried = new Set<Instance>();
  readonly #on: Listen = listenWith((error) => this.#fail(error));
  #isOver = false;
  #answered = false;

  constructor(
    readonly options: UpgradeOptions,
    readonly exchange: Exchange,
    readonly socket: Socket,
    readonly head: Buffer,
    readonly target: CompiledTarget,
  ) {}

  try(): void {
    const { options, exchange, socket, target } = this;
    const { decider, connectMs, heard, load } = options;
    const instance = decider.choose(exchange, target, this.#tried);
    if (instance === undefined) {
      this.#refuse(decider.unavailable(exchange, target));
      return;
    }
    this.#tried.add(instance);
    const address = addressOf(instance);
    if (!load.enter(address)) {
      this.#notConnected(busy(load.limit));
      return;
    }
    connectInstance({ host: instance.ip, port: instance.port }, connectMs, heard, (error, connection) => {
      if (connection === undefined) {
        load.leave(address);
        if (!socket.destroyed) this.#notConnected(error as NotConnectedError);
        return;
      }
      connection.once('close', () => load.leave(address));
      connection.on('error', () => connection.destroy());
      if (socket.destroyed) connection.destroy();
      else this.#send(instance, connection);
    });
  }

  #notConnected(error: NotConnectedError): void {
    const { options, exchange, target } = this;
    const failed = exchange.instance;
    const next = options.decider.choose(exchange, target, this.#tried);
    exchange.instance = failed;
    if (next === undefined) {
      this.#refuse(failureOf(exchange, error, options.log));
      return;
    }
    exchange.retries++;
    this.try();
  }

  #send(instance: Instance, connection: Socket): void {
    const { options, exchange, socket, target } = this;
    const { request, head, client, requestId } = exchange;
    socket.once('close', () => {
      this.#isOver = true;
      connection.destroy();
    });
    const { heads, laneOf, responseMs } = options;
    try {
      const outgoing = http.request({
        host: instance.ip,
        port: instance.port,
        method: request.method,
        path: head.target,
        agent: agentOf(connection),
        headers: heads.linesFor({
          request,
          head,
          client,
          requestId,
          lane: laneOf(exchange),
          service: target.key.name,
          fallbackHost: addressOf(instance),
          upgrade: 'websocket',
        }),
      });
      outgoing.maxHeadersCount = 0;
      const waiting = setTimeout(() => {
        if (!this.#isOver) options.answered(instance, GATEWAY_TIMEOUT);
        this.#fail(new InstanceTimeoutError(`no answer within ${responseMs} ms`));
      }, responseMs);
      outgoing.once('close', () => clearTimeout(waiting));
      this.#on(outgoing, 'upgrade', (answer: IncomingMessage, _socket: Socket, first: Buffer) => {
        clearTimeout(waiting);
        options.answered(instance, answer.statusCode as number);
        this.#tunnel(answer, connection, first);
      });
      this.#on(outgoing, 'response', (answer: IncomingMessage) => {
        clearTimeout(waiting);
        options.answered(instance, answer.statusCode as number);
        this.#passRefusal(answer);
      });
      this.#on(outgoing, 'error', (error: Error) => {
        if (!this.#isOver && isBrokenOff(error)) options.answered(instance, BROKEN_OFF);
        this.#fail(error);
      });
      this.#on(outgoing, 'close', () => {
        if (!this.#answered) this.#fail(new BadAnswerError('it closed the connection'));
      });
      outgoing.end();
    } catch (error) {
      connection.destroy();
      this.#fail(error);
    }
  }

  #tunnel(answer: IncomingMessage, connection: Socket, first: Buffer): void {
    const { exchange, socket, head } = this;
    if (answer.statusCode !== 101 || answer.headers.upgrade?.toLowerCase() !== 'websocket') {
      connection.destroy();
      throw new BadAnswerError('it switched to a protocol that was not requested');
    }
    const lines = [...answerLines(answer, 'GET', false, undefined), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const text = headText(101, reasonOf(answer), lines);
    this.#answered = true;
    exchange.status = 101;
    socket.write(text, 'latin1');
    if (first.length > 0) socket.write(first);
    if (head.length > 0) connection.write(head);
    connection.once('close', () => endSoon(exchange, socket));
    socket.pipe(connection);
    connection.pipe(socket);
  }

  /** Forwards an answer other than 101. Its body ends with the connection. */
  #passRefusal(answer: IncomingMessage): void {
    const { exchange, socket } = this;
    const problem = answerProblem(answer);
    if (problem !== undefined) throw new BadAnswerError(problem);
    const lines = [...answerLines(answer, 'GET', false, undefined), 'Connection', 'close'];
    const text = headText(answer.statusCode as number, reasonOf(answer), lines);
    this.#answered = true;
    exchange.status = answer.statusCode as number;
    socket.write(text, 'latin1');
    this.#on(answer, 'error', () => socket.destroy());
    socket.setTimeout(this.options.idleMs, () => socket.destroy());
    answer.pipe(socket);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const refusal = failureOf(this.exchange, error, this.options.log);
    if (this.#answered) this.socket.destroy();
    else this.#refuse(refusal);
  }

  #refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.socket.destroyed) refuseUpgrade(this.exchange, this.socket, refusal);
  }
}
