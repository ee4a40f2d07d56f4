/** Which lane an inbound request is in: decided once for each, wherever it comes in. */
import {
  currentContext,
  decideRequestTag,
  laneContext,
  linesOf,
  NO_TAG,
  REQUEST_MARK,
  type LaneContext,
  type RequestTag,
  type ServiceTables,
  type Tag,
  type TagCodec,
  type Carried,
} from '@lane/core/model';
import type { EntryRules, RequestView, Trust, TrustTest } from '@lane/core/rules';

/** What holds the decision for a request: the request itself, or the stream of HTTP/2. */
export interface Marked {
  /** HTTP/2: the stream of the request, if its tag has been decided already. */
  readonly stream?: { [REQUEST_MARK]?: RequestTag };
  [REQUEST_MARK]?: RequestTag;
}

/** Reads inbound requests in a server's form. One for all requests, so that none costs an object. */
export interface RequestSource<G> {
  /** The peer's address; read only if not everybody is trusted. */
  remoteAddress(given: G): string | undefined;
  /** What entry rules look at; read only if there are any. */
  view(given: G): RequestView;
}

/** Decides the lanes of inbound requests. */
export class RequestLanes {
  /** Called with each tagged request, before its handler runs. */
  onTagged: ((context: LaneContext) => void) | undefined;

  readonly #codec: TagCodec;
  readonly #tables: ServiceTables;
  readonly #trusts: TrustTest | undefined;
  #entry: EntryRules | undefined;
  #stamp: Tag | undefined;

  constructor(codec: TagCodec, tables: ServiceTables, trust: Trust) {
    this.#codec = codec;
    this.#tables = tables;
    this.#trusts = trustOf(trust);
  }

  /** Applies entry rules, and the tag that untagged requests are stamped with. */
  use(entry: EntryRules | undefined, stamp: Tag | undefined): void {
    this.#entry = entry;
    this.#stamp = stamp;
  }

  /**
   * The context to run an inbound request's handler in; undefined: change nothing, which is base. `given` is what `source`
   * reads. On the request path, change with care.
   */
  contextOf<G>(marked: Marked, rawHeaders: readonly string[], given: G, source: RequestSource<G>): LaneContext | undefined {
    let mark = marked[REQUEST_MARK] ?? marked.stream?.[REQUEST_MARK];
    let disbelieved = false;
    if (mark === undefined) {
      let inbound = this.#codec.readRaw(rawHeaders);
      const carried = this.#codec.carriedIn?.((name) => linesOf(rawHeaders, name));
      if (this.#trusts !== undefined && this.#codec.carries(rawHeaders) && !this.#trusts(source.remoteAddress(given))) {
        inbound = undefined;
        disbelieved = true;
      }
      mark = inbound === undefined && this.#entry === undefined && this.#stamp === undefined ? NO_TAG : this.#decide(inbound, given, source);
      disbelieved ||= inbound !== undefined && mark.tag !== inbound;
      // An entry rule or a stamp decides for all services; the request's tags for single services no longer count.
      if (carried !== undefined && !disbelieved && mark.tag === inbound) mark = { ...mark, carried };
      marked[REQUEST_MARK] = mark;
    }
    if (mark.carried !== undefined) return this.#carrying(mark, mark.carried);
    if (mark.tag !== undefined) {
      const { context } = this.#codec.record(mark.tag);
      this.onTagged?.(context);
      return context;
    }
    // Expressly base, if there is a lane around us to leave, or a tag that the app might copy.
    return disbelieved || currentContext() !== undefined ? laneContext(undefined) : undefined;
  }

  #carrying({ tag }: RequestTag, carried: Carried): LaneContext {
    const context = laneContext(tag, carried);
    if (tag !== undefined) this.onTagged?.(context);
    return context;
  }

  #decide<G>(inbound: Tag | undefined, given: G, source: RequestSource<G>): RequestTag {
    if (inbound !== undefined) {
      const { rules } = this.#tables;
      if (rules === undefined || !rules.isDisabledTag(inbound)) return this.#codec.record(inbound).mark;
    }
    return decideRequestTag(undefined, () => source.view(given), {
      rules: this.#tables.rules,
      entry: this.#entry,
      stamp: this.#stamp,
      random: Math.random,
    });
  }
}

/** undefined: everybody is trusted. */
function trustOf(trust: Trust): TrustTest | undefined {
  if (trust === 'all') return undefined;
  if (trust === 'none') return () => false;
  // Not at the top: few apps name networks.
  const { compileTrust } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  return compileTrust(trust);
}
