/**
 * Binds callbacks that a library calls later, from the context of its queue or socket, to the lane of their caller. One
 * line each, in the form of LANE_BIND:
 *
 *     some-queue:Queue.prototype.push[0]            the first argument of a method of what the package exports
 *     some-queue/lib/queue.js:prototype.push        every function among the arguments; of what that file exports
 *     some-queue:()[0]                              of what a call (or `new`) of the export gives, called itself
 *     some-queue:createQueue().push[0,-1]           of a method of what `createQueue` gives; -1 is the last
 *     some-queue:Queue.prototype.send[0].callback   a function that is a property of an argument
 *     some-queue:Queue.prototype.query()            what the call gives emits its events in the lane of the call
 *
 * A bound function keeps the length, kind and properties of the app's, because libraries look at those.
 */
import { bindLane, currentContext, resumeContext } from '@lane/core/model';
import { standIn, type Calls } from './stand-in.js';
import { wrap } from './wrap.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** The function to bind: an argument, or a property of one. */
interface Bound {
  /** -1 is the last argument, undefined each. */
  readonly index: number | undefined;
  readonly property: string | undefined;
}

type Step = { readonly name: string } | 'call';

/** A parsed line: what to bind in a library. */
export interface Binding {
  /** `package/path/within.js`, or a package's name for its entry. */
  readonly file: string;
  /** Methods that several lines share are wrapped once. */
  readonly path: string;
  readonly steps: readonly Step[];
  readonly bound: readonly Bound[];
  /** Whether the result of the call emits in the lane of the call. */
  readonly emits: boolean;
}

/** The form of a line, in words. */
export const BINDING_ACCEPTED = 'package:path.to.method[0], such as some-queue:Queue.prototype.push[0]';

const LINE =
  /^((?:@[\w~-][\w.~-]*\/)?[\w~-][\w.~-]*(?:\/[\w./~-]+)?):((?:\(\)|\.?[A-Za-z_$][\w$]*)*)(?:\[(-?\d+(?:,-?\d+)*)\](?:\.([A-Za-z_$][\w$]*))?)?$/;

/** Parses a line; undefined if it is malformed. */
export function parseBinding(line: string): Binding | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const [, file = '', path = '', indexes, property] = match;
  const emits = indexes === undefined && path.endsWith('()');
  const method = emits ? path.slice(0, -2) : path;
  const steps = [...method.matchAll(/\(\)|[A-Za-z_$][\w$]*/g)].map(([step]): Step => (step === '()' ? 'call' : { name: step }));
  const each = [{ index: undefined, property: undefined }];
  return {
    file,
    path: method,
    steps,
    bound: emits ? [] : (indexes?.split(',').map((index) => ({ index: Number(index), property })) ?? each),
    emits,
  };
}

/** Merges bindings of the same method of the same file. */
export function joinBindings(bindings: readonly Binding[]): Binding[] {
  const joined = new Map<string, Binding>();
  for (const binding of bindings) {
    const key = `${binding.file}:${binding.path}`;
    const same = joined.get(key);
    joined.set(key, same === undefined ? binding : { ...same, bound: [...same.bound, ...binding.bound], emits: same.emits || binding.emits });
  }
  return [...joined.values()];
}

/** Parses lines, merging those of the same method. */
export function readBindings(lines: readonly string[]): readonly Binding[] {
  return joinBindings(lines.map((line) => parseBinding(line) as Binding));
}

/** Applies the bindings of a loaded file; returns those that failed. */
export function bindFile(bindings: readonly Binding[], file: string, holder: { exports: unknown }): Binding[] {
  return bindings.filter((binding) => binding.file === file && !bind(binding, holder));
}

/** Whoever wraps the same method for another reason is no reason to leave this out. */
const PARTY = Symbol.for('lane.binding.v1');

/** Applies a binding to `holder.exports`; false if there is no such method, or it can't be replaced. */
export function bind(binding: Binding, holder: { exports: unknown }): boolean {
  if (bindAt(binding, holder, 'exports', 0)) return true;
  // ES modules, and their CommonJS builds.
  const { exports } = holder;
  return typeof exports === 'object' && exports !== null && bindAt(binding, exports, 'default', 0);
}

/** The steps from `at` on start at `target[name]`. */
function bindAt(binding: Binding, target: object, name: PropertyKey, at: number): boolean {
  const step = binding.steps[at];
  if (step === undefined) return wrap(target, name, (original: Method) => bindingMethod(original, binding), PARTY) !== undefined;
  if (step === 'call') {
    const make = (original: Method): Method =>
      function made(this: unknown, ...args: unknown[]): unknown {
        const holder = { given: new.target === undefined ? Reflect.apply(original, this, args) : construct(original, args, new.target) };
        bindAt(binding, holder, 'given', at + 1);
        return holder.given;
      };
    // Several lines may apply to the result of the same call.
    return wrap(target, name, make, Symbol.for(`lane.binding.v1 ${binding.path}`)) !== undefined;
  }
  const next = (target as Record<PropertyKey, unknown>)[name];
  if ((typeof next !== 'object' && typeof next !== 'function') || next === null) return false;
  return bindAt(binding, next, step.name, at + 1);
}

function construct(original: Method, args: unknown[], newTarget: unknown): unknown {
  return Reflect.construct(original as unknown as new (...given: unknown[]) => object, args, newTarget as new () => object);
}

function bindingMethod(original: Method, { bound, emits }: Binding): Method {
  return function binding(this: unknown, ...args: unknown[]): unknown {
    // Even before any lane has been entered: the first lane might call what base has handed in.
    for (const each of bound) bindArgument(args, each);
    const given = new.target === undefined ? Reflect.apply(original, this, args) : construct(original, args, new.target);
    if (emits && typeof given === 'object' && given !== null) wrap(given, 'emit', (emit: Method) => bindLane(emit), PARTY);
    return given;
  };
}

function bindArgument(args: unknown[], { index, property }: Bound): void {
  if (index === undefined) {
    for (let i = 0; i < args.length; i++) if (typeof args[i] === 'function') args[i] = inLane(args[i] as Method);
    return;
  }
  const at = index < 0 ? args.length + index : index;
  const given = args[at];
  if (property === undefined) {
    if (typeof given === 'function') args[at] = inLane(given as Method);
  } else if (typeof given === 'object' && given !== null) {
    const callback = (given as Record<string, unknown>)[property];
    if (typeof callback === 'function') Reflect.set(given, property, inLane(callback as Method));
  }
}

/** The function bound to the current lane. */
function inLane(given: Method): Method {
  const context = currentContext();
  const calls: Calls = (work, self, args) => resumeContext(context, work, self, args);
  return standIn(given, calls, PARTY);
}
