/**
 * The middleware. A request's tag is decided once: the agent, this plugin, or another use of it store
 * the decision on the request, and later ones reuse it.
 *
 * The rest of the chain runs in the request's lane. A body that arrives after its headers would lose the lane again
 * (its events come from the socket), so requests and responses emit in the lane of their request, if there is one.
 */
import {
  createTagCodec,
  currentContext,
  decideRequestTag,
  enterContext,
  laneContext,
  linesOf,
  NO_TAG,
  REQUEST_MARK,
  type LaneContext,
  type ReadingCounts,
  type RequestTag,
  type Tag,
  type TagCodec,
} from '@lane/core/model';
import { requestView, type EntryRules, type LaneRules, type RequestView } from '@lane/core/rules';
import { createLaneHeaders, makeLatest, type LaneHeaders } from './lane-headers.js';
import { prepareOptions, type LaneOptions, type PreparedOptions } from './options.js';

declare global {
  namespace Express {
    interface Request {
      /** The tag of this request and where it came from; set by `lane()` of @lane/express-plugin. */
      lane?: RequestTag;
    }
  }
}

/** The part of Express's request that we use. */
export interface LaneRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly originalUrl?: string;
  /** The client's address, by Express's setting `trust proxy`. */
  readonly ip?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly socket?: { readonly remoteAddress?: string | undefined };
  emit(event: string | symbol, ...args: unknown[]): boolean;
  lane?: RequestTag;
}

/** The part of Express's response that we use. */
export interface LaneResponse {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

/** The middleware, for `app.use`. */
export interface LaneHandler {
  (request: LaneRequest, response: LaneResponse, next: (error?: unknown) => void): void;
  /** Notable events while reading tags. */
  readonly counts: Readonly<ReadingCounts>;
  /** In the formats of this `lane()`, with any number of apps in the process. Needs no `this`. */
  readonly laneHeaders: LaneHeaders;
}

interface Marked extends LaneRequest {
  [REQUEST_MARK]?: RequestTag;
}

/**
 * Creates a middleware for Express 4 and 5 that sets each request's tag, as `request.lane`, and runs the rest of the chain
 * in that lane. Throws an error with code `ELANE_INVALID_OPTION` for an invalid option.
 */
export function lane(options: LaneOptions = {}): LaneHandler {
  const prepared = prepareOptions(options);
  const codec = createTagCodec({
    formats: prepared.formats,
    formatsIn: prepared.formatsIn,
    ...(prepared.baggageKey === undefined ? {} : { baggageKey: prepared.baggageKey }),
    rules: () => decider.rules,
    service: () => prepared.service,
    onNotice: (message) => prepared.log.warn(message),
  });
  const decider = new Decider(prepared, codec);
  const laneHeaders = createLaneHeaders(codec);
  makeLatest(laneHeaders);

  function laneHandler(request: Marked, response: LaneResponse, next: (error?: unknown) => void): void {
    const context = contextOf(request, response, decider);
    if (context === undefined) next();
    else enterContext(context, next, undefined, []);
  }
  return Object.assign(laneHandler, { counts: codec.counts, laneHeaders });
}

/** The context for the rest of the chain; undefined: the current one. */
function contextOf(request: Marked, response: LaneResponse, decider: Decider): LaneContext | undefined {
  const mark = request[REQUEST_MARK];
  const current = currentContext();
  if (mark !== undefined) {
    // Only the agent stores the mark without the request's lane.
    if (request.lane === undefined) decider.meetAgent();
    // Whoever decided keeps the lane for late bodies too. A middleware in between may have lost it for the chain.
    request.lane = mark;
    return current?.tag === mark.tag ? undefined : laneContext(mark.tag, mark.carried);
  }

  const { decided, disbelieved } = decider.decide(request);
  request[REQUEST_MARK] = decided;
  request.lane = decided;
  // Explicitly base, if there is a surrounding lane to leave, or a tag that the app might copy.
  if (decided.tag === undefined && decided.carried === undefined && current === undefined && !disbelieved) return undefined;
  const context = laneContext(decided.tag, decided.carried);
  keepLane(request, context);
  keepLane(response, context);
  return current === context ? undefined : context;
}

interface Emitter {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

function keepLane(emitter: Emitter, context: LaneContext): void {
  const inherited = emitter.emit;
  function emit(this: unknown, ...args: [event: string | symbol, ...rest: unknown[]]): boolean {
    return currentContext() === context ? Reflect.apply(inherited, this, args) : enterContext(context, inherited, this, args);
  }
  Object.defineProperty(emitter, 'emit', { value: emit, writable: true, configurable: true, enumerable: false });
}

/** Decides tags by the rules in force. */
class Decider {
  readonly #options: PreparedOptions;
  readonly #codec: TagCodec;
  #metAgent = false;
  #rules: LaneRules | undefined;
  #entry: EntryRules | undefined;

  constructor(options: PreparedOptions, codec: TagCodec) {
    this.#options = options;
    this.#codec = codec;
  }

  /** The lane groups in force. */
  get rules(): LaneRules | undefined {
    return this.#rules;
  }

  /** Rules that are not applied must not go unnoticed. */
  meetAgent(): void {
    if (this.#metAgent) return;
    this.#metAgent = true;
    if (this.#options.hasRules) {
      this.#options.log.warn(
        'the agent runs here and decides the tag of each request, so the rules given to lane() are not applied. Give them to the agent (LANE_RULES), or use only one of the two',
      );
    }
  }

  /** `disbelieved`: the request's own tag was not trusted. */
  decide(request: LaneRequest): { readonly decided: RequestTag; readonly disbelieved: boolean } {
    const { trusts } = this.#options;
    const { rawHeaders, socket } = request;
    const inbound = this.#codec.readRaw(rawHeaders);
    const carried = this.#codec.carriedIn?.((name) => linesOf(rawHeaders, name));
    const isTrusted = trusts === undefined || !this.#codec.carries(rawHeaders) || trusts(socket?.remoteAddress);
    this.#takeRules();
    const decided = this.#decide(isTrusted ? inbound : undefined, request);
    const disbelieved = !isTrusted || (inbound !== undefined && decided.tag !== inbound);
    // An entry rule or a stamp decides for all services; the request's tags for single services no longer count.
    return { decided: carried !== undefined && isTrusted && decided.tag === inbound ? { ...decided, carried } : decided, disbelieved };
  }

  #decide(believed: Tag | undefined, request: LaneRequest): RequestTag {
    const { stamp } = this.#options;
    if (believed === undefined && this.#entry === undefined && stamp === undefined) return NO_TAG;
    return decideRequestTag(believed, () => viewOf(request), { rules: this.#rules, entry: this.#entry, stamp, random: Math.random });
  }

  /** A failing function of the app must not fail the request: the rules stay as they were, and the error is logged. */
  #takeRules(): void {
    const { rules, service, log } = this.#options;
    try {
      const inForce = rules();
      if (inForce === this.#rules) return;
      this.#entry = inForce === undefined || service === undefined ? undefined : inForce.entryOf(service);
      this.#rules = inForce;
    } catch (error) {
      log.error(
        `the function in option rules of lane() failed; the lane groups stay as they were: ${error instanceof Error ? error.message : String(error)}`,
        { error },
      );
    }
  }
}

/** In a mounted app or router `url` is only the rest; rules see the whole path. */
function viewOf(request: LaneRequest): RequestView {
  return requestView({
    method: request.method ?? 'GET',
    url: request.originalUrl ?? request.url ?? '/',
    headers: request.headers,
    clientIp: request.ip ?? request.socket?.remoteAddress,
  });
}
