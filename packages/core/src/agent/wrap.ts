/**
 * Puts functions of ours in the place of other people's: the one way in which Lane patches anything. Here, and not in the agent,
 * since the adapters of SDKs patch too.
 */

/** A method of an object that we have no types of. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What can be replaced: a function, or a class. */
export type Replaceable = ((this: never, ...args: never[]) => unknown) | (abstract new (...args: never[]) => object);

/** Takes a wrap back; false where somebody else has wrapped on top, in which case ours passes straight to the original from then on. */
export type Undo = () => boolean;

/** Under which property a replacement keeps what it replaced; shared by all copies of Lane in a process. */
const ORIGINAL = Symbol.for('lane.original.v1');

/** What has been replaced and not been undone, by whom. */
const patched = new WeakMap<object, Map<PropertyKey, Set<symbol>>>();

/**
 * Puts the function that `make` gives in the place of a method. `make` gets the original, whose type is that of its parameter, or
 * {@link Method}. Name, length, `this`, `new.target`, statics and the descriptor stay as they were.
 *
 * An inherited method becomes an own property, and goes away again at undo; its `original` calls what the parent has at that time.
 * A class is replaced by a function, a subclass or a Proxy that passes `new.target` on.
 *
 * What is ours already is left alone; `by` tells parties apart that may each replace the same method once.
 * Returns undefined, and changes nothing, where there is no such method or it can't be replaced.
 */
export function wrap<F extends Replaceable = Method>(
  target: object,
  name: PropertyKey,
  make: (original: F) => Replaceable,
  by: symbol = ORIGINAL,
): Undo | undefined {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const present = (target as Record<PropertyKey, unknown>)[name];
  if (typeof present !== 'function' || Object.hasOwn(present, by) || patched.get(target)?.get(name)?.has(by) === true) return undefined;
  if (own === undefined ? !Object.isExtensible(target) : own.configurable === false && own.writable !== true) return undefined;

  const original = (own === undefined ? inheritedMethod(target, name, present as Method) : present) as Method;
  const { installed, makeInert } = replacementFor(present as Method, original, make(original as Replaceable as F) as Method);
  Object.defineProperty(installed, by, { value: present });
  const descriptor: PropertyDescriptor =
    own?.configurable === false
      ? { value: installed }
      : { value: installed, writable: own?.writable ?? true, enumerable: own?.enumerable ?? false, configurable: true };
  if (!Reflect.defineProperty(target, name, descriptor)) return undefined;
  note(target, name).add(by);

  return () => {
    note(target, name).delete(by);
    makeInert();
    if (Object.getOwnPropertyDescriptor(target, name)?.value !== installed) return false;
    return own === undefined ? Reflect.deleteProperty(target, name) : Reflect.defineProperty(target, name, own);
  };
}

function note(target: object, name: PropertyKey): Set<symbol> {
  let names = patched.get(target);
  if (names === undefined) patched.set(target, (names = new Map()));
  let owners = names.get(name);
  if (owners === undefined) names.set(name, (owners = new Set()));
  return owners;
}

/** The parent's method as it is when it is called: domain and others patch it late, and channels of diagnostics_channel change their class. */
function inheritedMethod(target: object, name: PropertyKey, present: Method): Method {
  const parent = (): Record<PropertyKey, Method> => Reflect.getPrototypeOf(target) as Record<PropertyKey, Method>;
  // Events are many. A property that is named in the code is found at once, one that is any is looked for.
  const inherited =
    name === 'emit'
      ? function inherited(this: unknown): unknown {
          return Reflect.apply(parent()['emit'] as Method, this, arguments);
        }
      : function inherited(this: unknown): unknown {
          return Reflect.apply(parent()[name] as Method, this, arguments);
        };
  return likeness(inherited, present);
}

/** What is installed calls `made`, until it is made inert: others may have taken a reference to it. */
function replacementFor(present: Method, original: Method, made: Method): { readonly installed: Method; readonly makeInert: () => void } {
  let active = made;
  const makeInert = (): void => void (active = original);
  // On the request path, change with care: `arguments` that are only passed on are never made an object, as rest parameters sometimes are.
  if (!Object.hasOwn(present, 'prototype')) {
    const { replaced: installed } = {
      replaced(this: unknown): unknown {
        return Reflect.apply(active, this, arguments);
      },
    };
    return { installed: likeness(installed, present), makeInert };
  }
  const installed = function replaced(this: unknown): unknown {
    if (new.target === undefined) return Reflect.apply(active, this, arguments);
    return Reflect.construct(active, arguments, (new.target as unknown) === installed ? active : new.target);
  };
  // What a function makes is what the original makes; a subclass or a Proxy has its say.
  if (Object.getOwnPropertyDescriptor(made, 'prototype')?.writable === true) made.prototype = present.prototype as object;
  installed.prototype = (Object.hasOwn(made, 'prototype') ? made : present).prototype as object;
  return { installed: likeness(installed, present), makeInert };
}

/** Makes a function look like another: name and length, and by inheritance whatever else it has. */
function likeness<F extends object>(ours: F, theirs: Method): F {
  Object.defineProperties(ours, {
    name: { value: theirs.name, configurable: true },
    length: { value: theirs.length, configurable: true },
  });
  return Object.setPrototypeOf(ours, theirs) as F;
}
