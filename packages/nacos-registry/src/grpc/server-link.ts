/**
 * One connection to one Nacos server, like its Java client's (alibaba/nacos, `GrpcClient.connectToServer`): a check of the server, a
 * bidirectional stream on which the client introduces itself and the server pushes, and separate requests. What the server keeps for the
 * client (registrations, subscriptions) ends with the connection.
 */
import { messageOf } from '@lane/core/model';
import { oneLine } from '../one-line.js';
import { parseJson } from '../bounded-json.js';
import { GRPC_PORT_OFFSET, type ServerAddress } from '../server-address.js';
import { GrpcChannel, type GrpcStream } from './grpc-channel.js';
import { decodePayload, encodePayload } from './payload.js';

/** A server's answer or push: the fields of Nacos' class of that name. */
export interface Message {
  /** Name of the class. */
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Options of {@link ServerLink.open}. */
export interface ServerLinkOptions {
  /** Namespace id; empty for the public one. */
  readonly tenant: string;
  readonly holdProcess: boolean;
  /** Called with the server's pushes, which are already acknowledged. */
  readonly onPush: (push: Message, link: ServerLink) => void;
}

/** A connection that the server does not know, or no longer knows (`NacosException.UN_REGISTER`). */
const UNREGISTERED = 301;
/** After this much silence, a connection is checked, like in the Java client (`connectionKeepAlive`). */
const SILENCE_MS = 5_000;
const HEALTH_TIMEOUT_MS = 3_000;
/** How long a server may take to know a connection: it does not acknowledge the setup. */
const REGISTER_TIMEOUT_MS = 3_000;
const FIRST_PAUSE_MS = 5;
/** Nacos 2 derives a client's features from the version that it sends; 2.1 has all that we use. */
const CLIENT_VERSION = 'Nacos-Node-Client:v2.1.0';
/** Answers to pushes, by the type of the push (`ServerRequestHandler` of the Java client). `SetupAckRequest` needs none. */
const ACKNOWLEDGEMENTS: ReadonlyMap<string, string> = new Map([
  ['NotifySubscriberRequest', 'NotifySubscriberResponse'],
  ['ConfigChangeNotifyRequest', 'ConfigChangeNotifyResponse'],
  ['ConnectResetRequest', 'ConnectResetResponse'],
  ['ClientDetectionRequest', 'ClientDetectionResponse'],
]);

/** A connection that the server knows. It ends once, and stays ended. */
export class ServerLink {
  readonly server: ServerAddress;
  readonly openedAt = performance.now();
  readonly #channel: GrpcChannel;
  readonly #options: ServerLinkOptions;
  readonly #stream: GrpcStream;
  #requests = 0;
  #heardAt = performance.now();
  #health: NodeJS.Timeout | undefined;
  #checking = false;

  private constructor(server: ServerAddress, channel: GrpcChannel, options: ServerLinkOptions) {
    this.server = server;
    this.#channel = channel;
    this.#options = options;
    this.#stream = channel.open('/BiRequestStream/requestBiStream', (bytes) => this.#receive(bytes));
    channel.onEnd(() => clearInterval(this.#health));
  }

  /** Connects to a server. Rejects with what went wrong. */
  static async open(server: ServerAddress, options: ServerLinkOptions): Promise<ServerLink> {
    const { host, port, secure } = server;
    const channel = await GrpcChannel.open({ host, port: port + GRPC_PORT_OFFSET, secure, holdProcess: options.holdProcess });
    try {
      const check = await ask(channel, 'ServerCheckRequest', {}, {}, HEALTH_TIMEOUT_MS);
      // An `ErrorResponse` comes from a server that is starting, for example.
      if (check.type !== 'ServerCheckResponse') throw new Error(textOf(check.fields['message'], `it answers with ${check.type}`));
      const link = new ServerLink(server, channel, options);
      await link.#setUp();
      return link;
    } catch (error) {
      channel.end(error as Error);
      throw error;
    }
  }

  /** Why it has ended; undefined as long as it has not. */
  get ended(): Error | undefined {
    return this.#channel.ended;
  }

  /** Calls `listener` once it ends, for whatever reason. */
  onEnd(listener: (error: Error) => void): void {
    this.#channel.onEnd(listener);
  }

  /** Sends a request. Rejects with what went wrong; a refusal is an answer. */
  async request(type: string, fields: object, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<Message> {
    try {
      const answer = await ask(this.#channel, type, { ...fields, requestId: String(++this.#requests) }, headers, timeoutMs);
      this.#heardAt = performance.now();
      if (answer.type === 'ErrorResponse' && answer.fields['errorCode'] === UNREGISTERED)
        this.end(new Error('the server has forgotten the connection'));
      if (this.ended !== undefined) throw this.ended;
      return answer;
    } catch (error) {
      // One slow answer does not justify dropping the connection, and with it all registrations.
      void this.#checkHealth();
      throw error;
    }
  }

  end(reason: Error): void {
    this.#channel.end(reason);
  }

  async #setUp(): Promise<void> {
    // `naming`: other connections can't register instances (`ConnectionBasedClientManager.clientConnected`); documents go by any.
    const labels = { source: 'sdk', module: 'naming' };
    this.#send('ConnectionSetupRequest', { clientVersion: CLIENT_VERSION, tenant: this.#options.tenant, labels });
    // The Java client waits for 100 ms. Requests are refused until the server knows the connection.
    const deadline = performance.now() + REGISTER_TIMEOUT_MS;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      const answer = await ask(this.#channel, 'HealthCheckRequest', {}, {}, HEALTH_TIMEOUT_MS);
      if (answer.fields['errorCode'] !== UNREGISTERED) break;
      if (performance.now() > deadline) throw new Error('the server does not accept the connection');
      await pause(pauseMs, this.#options.holdProcess);
    }
    if (this.ended !== undefined) throw this.ended;
    this.#health = setInterval(() => void this.#checkHealth(), SILENCE_MS).unref();
  }

  /** Ends the connection if the server does not answer. */
  async #checkHealth(): Promise<void> {
    if (this.#checking || this.ended !== undefined || performance.now() - this.#heardAt < SILENCE_MS / 2) return;
    this.#checking = true;
    try {
      const answer = await ask(this.#channel, 'HealthCheckRequest', {}, {}, HEALTH_TIMEOUT_MS);
      this.#heardAt = performance.now();
      if (answer.fields['errorCode'] === UNREGISTERED) this.end(new Error('the server has forgotten the connection'));
    } catch (error) {
      this.end(error as Error);
    } finally {
      this.#checking = false;
    }
  }

  #receive(bytes: Buffer): void {
    const push = messageOfBytes(bytes);
    if (push === undefined) return;
    this.#heardAt = performance.now();
    const { requestId } = push.fields;
    const acknowledgement = ACKNOWLEDGEMENTS.get(push.type);
    if (acknowledgement !== undefined && typeof requestId === 'string')
      this.#send(acknowledgement, { resultCode: 200, errorCode: 0, success: true, requestId });
    try {
      this.#options.onPush(push, this);
    } catch (error) {
      this.end(new Error(`a push could not be processed: ${messageOf(error)}`));
    }
  }

  #send(type: string, fields: object): void {
    this.#stream.send(encodePayload({ type, clientIp: this.#channel.localAddress, body: JSON.stringify(fields) }));
  }
}

async function ask(
  channel: GrpcChannel,
  type: string,
  fields: object,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<Message> {
  const request = encodePayload({ type, headers, clientIp: channel.localAddress, body: JSON.stringify(fields) });
  const answer = messageOfBytes(await channel.call('/Request/request', request, timeoutMs));
  if (answer === undefined) throw new Error('the answer is not a Nacos message');
  return answer;
}

/** The message in these bytes; undefined: none. */
function messageOfBytes(bytes: Buffer): Message | undefined {
  const payload = decodePayload(bytes);
  const fields = payload === undefined ? undefined : parseJson(payload.body);
  if (payload === undefined || typeof fields !== 'object' || fields === null) return undefined;
  return { type: payload.type, fields: fields as Record<string, unknown> };
}

/** The start of a server's message, in one line. */
export function textOf(value: unknown, otherwise: string): string {
  const text = typeof value === 'string' ? oneLine(value.slice(0, 160)) : '';
  return text === '' ? otherwise : text;
}

function pause(durationMs: number, holdProcess: boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, durationMs);
    if (!holdProcess) timer.unref();
  });
}
