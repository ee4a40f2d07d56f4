const ORIGINAL = Symbol('lane.original');

type AnyFunction = (...args: never[]) => unknown;

/** Takes a wrap back; false where somebody else has wrapped on top, in which case ours goes inert instead. */
export type Undo = () => boolean;

/**
 * Puts a function of ours in the place of a method. Name, length and descriptor stay as they were; an inherited method
 * becomes an own property, and goes away again at undo. A method that is already ours is left alone.
 * Returns undefined where there is no such method.
 */
export function wrap(target: object, name: PropertyKey, make: (original: AnyFunction) => AnyFunction): Undo | undefined {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const original = (target as Record<PropertyKey, unknown>)[name];
  if (typeof original !== 'function' || ORIGINAL in original || (own !== undefined && own.configurable === false && own.writable !== true))
    return undefined;

  const inner = make(original as AnyFunction);
  Object.defineProperties(inner, {
    name: { value: original.name, configurable: true },
    length: { value: original.length, configurable: true },
    [ORIGINAL]: { value: original },
  });
  const descriptor: PropertyDescriptor =
    own === undefined || own.configurable !== false
      ? { value: inner, writable: own?.writable ?? true, enumerable: own?.enumerable ?? false, configurable: true }
      : { value: inner };
  Object.defineProperty(target, name, descriptor);

  return () => {
    if ((target as Record<PropertyKey, unknown>)[name] !== inner) return false;
    if (own === undefined) delete (target as Record<PropertyKey, unknown>)[name];
    else Object.defineProperty(target, name, own);
    return true;
  };
}
