/**
 * Replaces other people's functions by ours: the one way in which Lane patches anything. It is here and not in the agent,
 * because the adapters of SDKs patch too.
 */

/** A method of an untyped object. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What can be replaced: a function, or a class. */
export type Replaceable = ((this: never, ...args: never[]) => unknown) | (abstract new (...args: never[]) => object);

/** Undoes a wrap; returns false if somebody else has wrapped on top: ours then calls the original directly. */
export type Undo = () => boolean;

/** The property under which a replacement keeps the original; shared by all copies of Lane in a process. */
const ORIGINAL = Symbol.for('lane.original.v1');

const { toString } = Object.prototype;

/** Replacements in force, by party. */
const patched = new WeakMap<object, Map<PropertyKey, Set<symbol>>>();

/**
 * Replaces a method by the function that `make` returns. `make` gets the original, typed by its parameter, or
 * {@link Method}. A replaced method, unlike a class, can replace itself through `become` once it has been called. Name, length, `this`,
 * `new.target`, statics and the descriptor stay the same.
 *
 * An inherited method becomes an own property, which undo removes; its `original` calls the parent's current method. On a prototype, `for…in` lists
 * it as before; on any other object, the own keys look as before. A class is replaced by a function, a subclass or a Proxy that passes `new.target`
 * on.
 *
 * Does nothing if the method is already ours; `by` distinguishes parties that may each replace the same method once. With `forGood`, the result of
 * `make` is installed directly, which saves one call each time: undo then only works while nobody else has wrapped on top.
 * Returns undefined, and changes nothing, if there is no such method or it can't be replaced.
 */
export function wrap<F extends Replaceable = Method>(
  target: object,
  name: PropertyKey,
  make: (original: F, become: (made: F) => void) => Replaceable,
  by: symbol = ORIGINAL,
  forGood = false,
): Undo | undefined {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const present = (target as Record<PropertyKey, unknown>)[name];
  if (typeof present !== 'function' || Object.hasOwn(present, by) || patched.get(target)?.get(name)?.has(by) === true) return undefined;
  if (own === undefined ? !Object.isExtensible(target) : own.configurable === false && own.writable !== true) return undefined;

  const original = (own === undefined ? inheritedMethod(target, name, present as Method) : present) as Method;
  const become = (made: F): void => replace(made as Replaceable as Method);
  const { installed, replace } = replacementFor(present as Method, make(original as Replaceable as F, become) as Method, by, forGood);
  const enumerable = own?.enumerable ?? (isPrototype(target) && isEnumerableIn(target, name));
  const descriptor: PropertyDescriptor =
    own?.configurable === false ? { value: installed } : { value: installed, writable: own?.writable ?? true, enumerable, configurable: true };
  if (!Reflect.defineProperty(target, name, descriptor)) return undefined;
  note(target, name).add(by);

  return () => {
    note(target, name).delete(by);
    replace(original);
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

/** The parent's method at the time of the call: domain and others patch it late, and channels of diagnostics_channel change their class. */
function inheritedMethod(target: object, name: PropertyKey, present: Method): Method {
  // Events are frequent. A property named in the code is found at once; a dynamic one has to be looked up.
  const inherited =
    name === 'emit'
      ? function inherited(this: unknown): unknown {
          return Reflect.apply((Reflect.getPrototypeOf(target) as { emit: Method }).emit, this, arguments);
        }
      : function inherited(this: unknown): unknown {
          return Reflect.apply((Reflect.getPrototypeOf(target) as Record<PropertyKey, Method>)[name] as Method, this, arguments);
        };
  return likeness(inherited, present);
}

function isPrototype(target: object): boolean {
  const maker = Object.getOwnPropertyDescriptor(target, 'constructor')?.value as { prototype?: unknown } | undefined;
  return typeof maker === 'function' && maker.prototype === target;
}

function isEnumerableIn(target: object, name: PropertyKey): boolean {
  let at: object | null = target;
  while (at !== null && !Object.hasOwn(at, name)) at = Reflect.getPrototypeOf(at);
  return at !== null && Object.prototype.propertyIsEnumerable.call(at, name);
}

interface Replacement {
  readonly installed: Method;
  readonly replace: (made: Method) => void;
}

/** The installed function calls `made`, until that is replaced: others may hold a reference to it. It is marked with `by`. */
function replacementFor(present: Method, made: Method, by: symbol, forGood: boolean): Replacement {
  if (isMoreThanMethod(present) && !hasOwnPrototype(made, present)) return disguised(present, made, by);
  let active = made;
  const replace = (next: Method): void => void (active = next);
  const marked = (installed: Method): Replacement => {
    Object.defineProperty(installed, by, { value: present });
    return { installed: likeness(installed, present), replace };
  };
  if (forGood) return marked(made);
  // On the request path, change with care: `arguments` that are only passed on never become an object, as rest parameters sometimes do.
  if (!Object.hasOwn(present, 'prototype')) {
    const { replaced } = {
      replaced(this: unknown): unknown {
        return Reflect.apply(active, this, arguments);
      },
    };
    return marked(replaced);
  }
  const replaced = function replaced(this: unknown): unknown {
    if (new.target === undefined) return Reflect.apply(active, this, arguments);
    return Reflect.construct(active, arguments, (new.target as unknown) === replaced ? active : new.target);
  };
  // A function constructs what the original does; a subclass or a Proxy decides itself.
  if (Object.getOwnPropertyDescriptor(made, 'prototype')?.writable === true) made.prototype = present.prototype as object;
  replaced.prototype = (Object.hasOwn(made, 'prototype') ? made : present).prototype as object;
  return marked(replaced);
}

/** A class, an async function or a generator, or a function with properties: named imports of CommonJS are its own properties, and much else looks at them. */
function isMoreThanMethod(present: Method): boolean {
  if (!Object.isExtensible(present)) return false;
  const isClass = Object.getOwnPropertyDescriptor(present, 'prototype')?.writable === false;
  return isClass || toString.call(present) !== '[object Function]' || Object.keys(present).length > 0;
}

/** A subclass brings its own prototype. */
function hasOwnPrototype(made: Method, present: Method): boolean {
  const own = Object.getOwnPropertyDescriptor(made, 'prototype');
  return own?.writable === false && own.value !== present.prototype;
}

/** It looks like the original, and writes go to the original. A call costs some 50 ns more than a function's. */
function disguised(present: Method, made: Method, by: symbol): Replacement {
  let active = made;
  if (Object.getOwnPropertyDescriptor(made, 'prototype')?.writable === true) made.prototype = present.prototype as object;
  const installed: Method = new Proxy(present, {
    apply: (_, self, args) => Reflect.apply(active, self, args),
    construct: (_, args, newTarget) => Reflect.construct(active, args, newTarget === installed ? active : newTarget) as object,
    // The mark, which is not a property of the original.
    getOwnPropertyDescriptor: (target, name) =>
      name === by ? { value: present, configurable: true } : Reflect.getOwnPropertyDescriptor(target, name),
    get: (target, name, receiver) => (name === 'toString' ? textOf(target) : (Reflect.get(target, name, receiver) as unknown)),
  });
  return { installed, replace: (next) => void (active = next) };
}

/** Makes a function look like another: name, length and source, and by inheritance everything else. */
function likeness<F extends object>(ours: F, theirs: Method): F {
  Object.defineProperties(ours, {
    name: { value: theirs.name, configurable: true },
    length: { value: theirs.length, configurable: true },
    toString: { value: textOf(theirs), configurable: true, writable: true },
  });
  return Object.setPrototypeOf(ours, theirs) as F;
}

/** Some code reads a function's source: for its kind, its parameters, or to run it elsewhere. */
function textOf(theirs: Method): () => string {
  return () => theirs.toString();
}
