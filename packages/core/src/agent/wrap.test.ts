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

  test('is as it was after undoing', () => {
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

  test('that was inherited calls what the parent has by then, inert or not', () => {
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

  test.each(['greet', 'emit'])('that was inherited calls what the class has that its object has by then (%s)', (name) => {
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

  test('is not wrapped again beneath what somebody else has put on top', () => {
    const own = { greet: () => 'hello' };
    wrap(own, 'greet', louder);
    const ours = own.greet;
    own.greet = () => `${ours()}?`;
    expect(wrap(own, 'greet', louder)).toBeUndefined();
    expect(own.greet()).toBe('hello!?');
  });

  test('keeps what else the function has', () => {
    const greet = Object.assign(() => 'hello', { loud: false });
    const own = { greet };
    wrap(own, 'greet', louder);
    expect(own.greet.loud).toBe(false);
    expect(() => new (own.greet as unknown as new () => object)()).toThrow(TypeError);
  });

  test('is not wrapped twice', () => {
    const own = { greet: () => 'hello' };
    wrap(own, 'greet', louder);
    expect(wrap(own, 'greet', louder)).toBeUndefined();
    expect(own.greet()).toBe('hello!');
  });

  test('that can be written but not configured is wrapped all the same', () => {
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

  test.each(variants)('by %s makes instances, has statics, and can be extended', (_, make) => {
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
    const Ours = exports.Point;
    undo?.();
    expect(exports.Point).toBe(Point);
    expect(new Ours(1).x).toBe(1);
  });

  test('does not make a class of its that extends it look wrapped', () => {
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
