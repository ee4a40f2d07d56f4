import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { wrap, type Method, type Replaceable } from './wrap.js';

class Base {
  greet(name: string): string {
    return `hello ${name}`;
  }
}
class Derived extends Base {}

const louder = (original: Method) =>
  function other(this: unknown, ...args: unknown[]): unknown {
    return `${String(Reflect.apply(original, this, args))}!`;
  };

describe('a wrapped method', () => {
  test('may put another function into its own place, until it is undone', () => {
    const target = new Base();
    const undo = wrap(target, 'greet', (original: Base['greet'], become) => {
      return function first(this: Base, name: string): string {
        become((again) => `once more ${again}`);
        return original.call(this, name);
      };
    });
    const { greet } = target;
    expect([target.greet('ann'), target.greet('ann'), greet('ann')]).toEqual(['hello ann', 'once more ann', 'once more ann']);
    undo?.();
    expect([target.greet('ann'), greet.call(target, 'ann')]).toEqual(['hello ann', 'hello ann']);
  });

  test('calls ours, and looks like the original', () => {
    class Greeter extends Base {
      override greet(name: string): string {
        return super.greet(name);
      }
    }
    const before = Object.getOwnPropertyDescriptor(Greeter.prototype, 'greet');
    wrap(Greeter.prototype, 'greet', louder);
    expect(new Greeter().greet('you')).toBe('hello you!');
    const { greet } = Greeter.prototype;
    expect([greet.name, greet.length]).toEqual(['greet', 1]);
    expect(Object.getOwnPropertyDescriptor(Greeter.prototype, 'greet')).toEqual({ ...before, value: greet });
  });

  test('is restored by undoing', () => {
    const own = { greet: () => 'hello' };
    const before = Object.getOwnPropertyDescriptor(own, 'greet');
    const undo = wrap(own, 'greet', louder);
    expect(own.greet()).toBe('hello!');
    expect(undo?.()).toBe(true);
    expect(Object.getOwnPropertyDescriptor(own, 'greet')).toEqual(before);
  });

  test('that was inherited is inherited again after undoing', () => {
    const undo = wrap(Derived.prototype, 'greet', louder);
    expect([new Derived().greet('you'), new Base().greet('you')]).toEqual(['hello you!', 'hello you']);
    expect(undo?.()).toBe(true);
    expect(Object.hasOwn(Derived.prototype, 'greet')).toBe(false);
    expect(new Derived().greet('you')).toBe('hello you');
  });

  test('that somebody else has wrapped since goes inert', () => {
    const own = { greet: () => 'hello' };
    const undo = wrap(own, 'greet', louder);
    const ours = own.greet;
    own.greet = () => `${ours()}?`;
    expect(own.greet()).toBe('hello!?');
    expect(undo?.()).toBe(false);
    expect(own.greet()).toBe('hello?');
    expect(ours()).toBe('hello');
  });

  test('that was inherited calls the current method of the parent, inert or not', () => {
    class Parent extends Base {}
    class Child extends Parent {}
    const undo = wrap(Child.prototype, 'greet', louder);
    const ours = Child.prototype.greet;
    const late = function greet(this: Base, name: string): string {
      return `good evening ${name}`;
    };
    Parent.prototype.greet = late;
    expect(new Child().greet('you')).toBe('good evening you!');
    Child.prototype.greet = ours;
    undo?.();
    expect(ours.call(new Child(), 'you')).toBe('good evening you');
  });

  test.each(['greet', 'emit'])("that was inherited calls the method of its object's current class (%s)", (name) => {
    const own = Object.create({ [name]: () => 'hello' }) as Record<string, () => string>;
    wrap(own, name, louder);
    Object.setPrototypeOf(own, { [name]: () => 'good evening' });
    expect(own[name]?.()).toBe('good evening!');
  });

  test('can be wrapped again after undoing', () => {
    const own = { greet: () => 'hello' };
    wrap(own, 'greet', louder)?.();
    expect(wrap(own, 'greet', louder)).toBeDefined();
    expect(own.greet()).toBe('hello!');
  });

  test('is wrapped once by each party', () => {
    const own = { greet: () => 'hello' };
    const other = Symbol('other');
    expect(wrap(own, 'greet', louder)).toBeDefined();
    expect(wrap(own, 'greet', louder, other)).toBeDefined();
    expect([wrap(own, 'greet', louder), wrap(own, 'greet', louder, other)]).toEqual([undefined, undefined]);
    expect(own.greet()).toBe('hello!!');
  });

  test('is not wrapped again below the wrapper of somebody else', () => {
    const own = { greet: () => 'hello' };
    wrap(own, 'greet', louder);
    const ours = own.greet;
    own.greet = () => `${ours()}?`;
    expect(wrap(own, 'greet', louder)).toBeUndefined();
    expect(own.greet()).toBe('hello!?');
  });

  test('has the text of the original', () => {
    const own = { greet: (name: string) => `hello ${name}` };
    const before = String(own.greet);
    wrap(own, 'greet', louder);
    expect(String(own.greet)).toBe(before);
  });

  test('is enumerable by for…in on a prototype, and not an own key of objects that inherit it', () => {
    const parent = Object.assign(function Parent() {}, { prototype: { greet: () => 'hello' } });
    class Child extends (parent as unknown as new () => { greet(): string }) {}
    const keysIn = (value: object): string[] => {
      const keys: string[] = [];
      for (const key in value) keys.push(key);
      return keys;
    };
    wrap(Child.prototype, 'greet', louder);
    const child = new Child();
    expect(keysIn(child)).toEqual(['greet']);
    wrap(child, 'greet', louder, Symbol('other'));
    expect([child.greet(), Object.keys(child)]).toEqual(['hello!!', []]);
  });

  test('keeps other properties of the function, as its own', () => {
    const greet = Object.assign(() => 'hello', { loud: false });
    const own = { greet };
    wrap(own, 'greet', louder);
    expect(Object.entries(own.greet)).toEqual([['loud', false]]);
    expect([String(own.greet), inspect(own.greet)]).toEqual([String(greet), inspect(greet)]);
    own.greet.loud = true;
    expect(greet.loud).toBe(true);
    expect(wrap(own, 'greet', louder)).toBeUndefined();
    expect(() => new (own.greet as unknown as new () => object)()).toThrow(TypeError);
  });

  test('is not wrapped twice', () => {
    const own = { greet: () => 'hello' };
    wrap(own, 'greet', louder);
    expect(wrap(own, 'greet', louder)).toBeUndefined();
    expect(own.greet()).toBe('hello!');
  });

  test('that is writable but not configurable is also wrapped', () => {
    const own = Object.defineProperty({} as { greet(): string }, 'greet', {
      value: () => 'hello',
      writable: true,
      configurable: false,
      enumerable: true,
    });
    const undo = wrap(own, 'greet', louder);
    expect(own.greet()).toBe('hello!');
    expect(undo?.()).toBe(true);
    expect(own.greet()).toBe('hello');
  });
});

describe('a wrapped class', () => {
  class Point {
    static origin = 'here';
    readonly made: unknown;
    constructor(readonly x: number) {
      this.made = new.target;
    }
  }
  const variants: ReadonlyArray<[string, (original: typeof Point) => Replaceable]> = [
    [
      'a function',
      (original) =>
        function (this: unknown, x: number) {
          return Reflect.construct(original, [x + 1], new.target ?? original) as object;
        },
    ],
    [
      'a subclass',
      (original) =>
        class extends original {
          constructor(x: number) {
            super(x + 1);
          }
        },
    ],
    [
      'a Proxy',
      (original) => new Proxy(original, { construct: (target, [x], newTarget) => Reflect.construct(target, [x + 1], newTarget) as object }),
    ],
  ];

  test.each(variants)('by %s makes instances, has statics, and can be extended', (by, make) => {
    const exports = { Point };
    const undo = wrap(exports, 'Point', make);
    expect(exports.Point).not.toBe(Point);
    class Derived extends exports.Point {
      readonly own = true;
    }
    const [plain, derived] = [new exports.Point(1), new Derived(1)];
    expect([plain.x, derived.x, derived.own]).toEqual([2, 2, true]);
    expect([plain instanceof Point, plain instanceof exports.Point, derived instanceof Derived, derived instanceof exports.Point]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(derived.made).toBe(Derived);
    expect([exports.Point.name, exports.Point.length, exports.Point.origin]).toEqual(['Point', 1, 'here']);
    // A subclass is another class to look at.
    if (by !== 'a subclass') expect(inspect(exports.Point)).toBe(inspect(Point));
    const Ours = exports.Point;
    undo?.();
    expect(exports.Point).toBe(Point);
    expect(new Ours(1).x).toBe(1);
  });

  test('does not make a class that extends it look wrapped', () => {
    class Further extends Point {}
    const exports = { Point, Further };
    wrap(exports, 'Point', (original: typeof Point) => class extends original {});
    class Derived extends exports.Point {}
    expect(wrap({ Derived }, 'Derived', (original: typeof Derived) => class extends original {})).toBeDefined();
  });
});

test.each([
  ['is not there', {}],
  ['is no function', { greet: 'hello' }],
  ['is frozen', Object.freeze({ greet: () => 'hello' })],
  ['is inherited by what can have no own', Object.preventExtensions(Object.create({ greet: () => 'hello' }) as object)],
])('a method that %s is left alone', (_, target) => {
  const before = Object.getOwnPropertyDescriptors(target);
  expect(wrap(target, 'greet', louder)).toBeUndefined();
  expect(Object.getOwnPropertyDescriptors(target)).toEqual(before);
});
