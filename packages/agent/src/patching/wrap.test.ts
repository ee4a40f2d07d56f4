import { describe, expect, test } from 'vitest';
import { wrap } from './wrap.js';

class Base {
  greet(name: string): string {
    return `hello ${name}`;
  }
}
class Derived extends Base {}

const louder = (original: (...args: never[]) => unknown) =>
  function other(this: unknown, ...args: never[]): unknown {
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

  test('that somebody else has wrapped since is left to them', () => {
    const own = { greet: () => 'hello' };
    const undo = wrap(own, 'greet', louder);
    const ours = own.greet;
    own.greet = () => `${ours()}?`;
    expect(undo?.()).toBe(false);
    expect(own.greet()).toBe('hello!?');
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

test.each([
  ['is not there', {}],
  ['is no function', { greet: 'hello' }],
  ['is frozen', Object.freeze({ greet: () => 'hello' })],
])('a method that %s is left alone', (_, target) => {
  const before = Object.getOwnPropertyDescriptors(target);
  expect(wrap(target, 'greet', louder)).toBeUndefined();
  expect(Object.getOwnPropertyDescriptors(target)).toEqual(before);
});
