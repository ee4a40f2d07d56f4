/**
 * OpenTelemetry, if the app has it: spans of a lane carry its tag as `lane.tag`, and the active baggage has the tag for those
 * who read it there, even if it came in another way.
 *
 * The API keeps its providers at globalThis under a symbol of its major version, so that copies share them; we look for it at
 * tagged requests, when an SDK has had time to register. We load nothing of it.
 */
import { currentContext, type LaneContext, type Tag } from '@lane/core/model';
import type { LateRuntime } from '../boot/late-runtime.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
const BAGGAGE = Symbol.for('OpenTelemetry Baggage Key');
/** After this, no SDK is expected to register. */
const MAX_TRIES = 100;

interface Span {
  setAttribute(name: string, value: string): unknown;
}
interface Baggage {
  getEntry(key: string): { value: string } | undefined;
  setEntry(key: string, entry: { value: string }): Baggage;
}
interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
}
interface Api {
  readonly trace?: { getTracer(name: string): object };
  readonly context?: { active(): Context };
}

export function install(late: LateRuntime): void {
  const scope = globalThis as { [API]?: Api };
  let tries = 0;
  let patched = false;
  const heard = safely('opentelemetry', ({ tag }: LaneContext) => {
    const api = scope[API];
    if (api === undefined) return;
    if (!patched && tries++ < MAX_TRIES) patched = patch(api, late.options.baggageKey);
    // The span of the request, if OpenTelemetry saw it before us.
    if (patched) (api.context?.active().getValue(SPAN) as Span | undefined)?.setAttribute('lane.tag', tag as string);
  });
  late.whenMade(({ requests }) => void (requests.onTagged = heard));
}

function patch({ trace, context }: Api, baggageKey: string): boolean {
  const tracer = trace?.getTracer('lane');
  // Only the SDK's tracers make spans; until then there is a placeholder.
  if (tracer === undefined || context === undefined || '_provider' in tracer) return false;
  const mark = safely('opentelemetry span', (span: Span) => {
    const tag = currentContext()?.tag;
    if (tag !== undefined) span.setAttribute('lane.tag', tag);
  });
  wrap(Object.getPrototypeOf(tracer) as object, 'startSpan', (original) => {
    return function startSpan(this: unknown, ...args: never[]): unknown {
      const span = Reflect.apply(original, this, args) as Span;
      mark(span);
      return span;
    };
  });
  const withTag = safely('opentelemetry baggage', createBaggageWriter(baggageKey));
  wrap(context, 'active', (original) => {
    return function active(this: unknown, ...args: never[]): unknown {
      const found = Reflect.apply(original, this, args) as Context;
      const tag = currentContext()?.tag;
      return tag === undefined ? found : (withTag(found, tag) ?? found);
    };
  });
  return true;
}

function createBaggageWriter(key: string): (context: Context, tag: Tag) => Context {
  const written = new WeakMap<Context, Context>();
  return (context, tag) => {
    const baggage = context.getValue(BAGGAGE) as Baggage | undefined;
    // Without any baggage there is no class to create one with; the agent writes the header anyway.
    if (baggage === undefined || baggage.getEntry(key)?.value === tag) return context;
    let changed = written.get(context);
    if (changed === undefined || (changed.getValue(BAGGAGE) as Baggage).getEntry(key)?.value !== tag) {
      changed = context.setValue(BAGGAGE, baggage.setEntry(key, { value: tag }));
      written.set(context, changed);
    }
    return changed;
  };
}
