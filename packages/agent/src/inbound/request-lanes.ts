/** Which lane an inbound request is in: decided once for each, wherever it comes in. */
import {
  currentContext,
  decideRequestTag,
  laneContext,
  NO_TAG,
  REQUEST_MARK,
  type LaneContext,
  type RequestTag,
  type ServiceTables,
  type Tag,
  type TagCodec,
} from '@lane/core/model';
import type { EntryRules, RequestView, Trust, TrustTest } from '@lane/core/rules';

const MAX_REMEMBERED_TAGS = 256;

/** An inbound request, as much of it as deciding its tag takes. */
export interface InboundRequest {
  readonly rawHeaders: readonly string[];
  readonly socket?: { readonly remoteAddress?: string | undefined };
  /** Of HTTP/2: what the request was made of, and where its tag has been decided already. */
  readonly stream?: { [REQUEST_MARK]?: RequestTag };
  [REQUEST_MARK]?: RequestTag;
}

/** Decides the lanes of inbound requests. */
export class RequestLanes {
  /** Told of each tagged request, before its handler is run. */
  onTagged: ((context: LaneContext) => void) | undefined;

  readonly #codec: TagCodec;
  readonly #tables: ServiceTables;
  readonly #trusts: TrustTest | undefined;
  readonly #inbound = new Map<Tag, RequestTag>();
  #entry: EntryRules | undefined;
  #stamp: Tag | undefined;

  constructor(codec: TagCodec, tables: ServiceTables, trust: Trust) {
    this.#codec = codec;
    this.#tables = tables;
    this.#trusts = trustOf(trust);
  }

  /** Puts entry rules in force, and the tag that untagged requests are stamped with. */
  use(entry: EntryRules | undefined, stamp: Tag | undefined): void {
    this.#entry = entry;
    this.#stamp = stamp;
  }

  /**
   * The context to run an inbound request's handler in; undefined: leave things as they are, which is base.
   * `view` makes what entry rules look at, and is called only where there are any.
   */
  contextOf<T extends InboundRequest>(request: T, view: (request: T) => RequestView): LaneContext | undefined {
    let mark = request[REQUEST_MARK] ?? request.stream?.[REQUEST_MARK];
    let disbelieved = false;
    if (mark === undefined) {
      let inbound = this.#codec.readRaw(request.rawHeaders);
      if (inbound !== undefined && this.#trusts !== undefined && !this.#trusts(request.socket?.remoteAddress)) {
        inbound = undefined;
        disbelieved = true;
      }
      mark = inbound === undefined && this.#entry === undefined && this.#stamp === undefined ? NO_TAG : this.#decide(inbound, request, view);
      disbelieved ||= inbound !== undefined && mark.tag !== inbound;
      request[REQUEST_MARK] = mark;
    }
    if (mark.tag !== undefined) {
      const context = laneContext(mark.tag);
      this.onTagged?.(context);
      return context;
    }
    // Expressly base where there is something to get away from: a lane around us, or a tag that the app might copy.
    return disbelieved || currentContext() !== undefined ? laneContext(undefined) : undefined;
  }

  #decide<T extends InboundRequest>(inbound: Tag | undefined, request: T, view: (request: T) => RequestView): RequestTag {
    if (inbound !== undefined) {
      const { rules } = this.#tables;
      if (rules === undefined || !rules.isDisabledTag(inbound)) {
        let mark = this.#inbound.get(inbound);
        if (mark === undefined) {
          mark = Object.freeze({ tag: inbound, source: 'inbound' });
          if (this.#inbound.size < MAX_REMEMBERED_TAGS) this.#inbound.set(inbound, mark);
        }
        return mark;
      }
    }
    return decideRequestTag(undefined, () => view(request), {
      rules: this.#tables.rules,
      entry: this.#entry,
      stamp: this.#stamp,
      random: Math.random,
    });
  }
}

/** undefined: everybody is trusted, and nothing has to be asked. */
function trustOf(trust: Trust): TrustTest | undefined {
  if (trust === 'all') return undefined;
  if (trust === 'none') return () => false;
  // Here and not at the top: few apps name networks.
  const { compileTrust } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  return compileTrust(trust);
}
