import { EventEmitter } from 'node:events';
import { currentLane, runInLane } from '@lane/core';
import { describe, expect, test } from 'vitest';
import { bind, joinBindings, parseBinding, type Binding } from './bindings.js';

const all = (...lines: string[]): Binding[] => joinBindings(lines.map((line) => parseBinding(line) as Binding));
const seen = (): string => currentLane() ?? 'none';

/** Binds a line in a library that exports this; gives what it exports then. */
function bound<T>(exports: T, ...lines: string[]): T {
  const holder = { exports };
  for (const binding of all(...lines)) expect(bind(binding, holder)).toBe(true);
  return holder.exports;
}

type Task = (...args: unknown[]) => unknown;

class Queue extends EventEmitter {
  readonly tasks: Task[] = [];
  push(...tasks: Task[]): this {
    this.tasks.push(...tasks);
    return this;
  }
}
const pushed = (queue: Queue, ...tasks: Task[]): Queue => runInLane('gray', () => queue.push(...tasks));

test('a method: each function, or those that are named', () => {
  const run = (line: string): unknown[] => {
    const { Queue: Bound } = bound({ Queue: class extends Queue {} }, line);
    return pushed(new Bound(), seen, seen, seen).tasks.map((task) => task());
  };
  expect(run('q:Queue.prototype.push')).toEqual(['gray', 'gray', 'gray']);
  expect(run('q:Queue.prototype.push[1]')).toEqual(['none', 'gray', 'none']);
  expect(run('@acme/q/lib/a.js:Queue.prototype.push[0,-1]')).toEqual(['gray', 'none', 'gray']);
  expect(run('q:Queue.prototype.push[-9,9]')).toEqual(['none', 'none', 'none']);
});

test('lines of one method are one', () => {
  const { Queue: Bound } = bound({ Queue: class extends Queue {} }, 'q:Queue.prototype.push[0]', 'q:Queue.prototype.push[2]');
  expect(pushed(new Bound(), seen, seen, seen).tasks.map((task) => task())).toEqual(['gray', 'none', 'gray']);
});

test('what the package itself is, and what a call of it or `new` gives', () => {
  const limit = bound(() => (task: Task) => [task], 'p-limit:()[0]')();
  expect(runInLane('gray', () => limit(seen)).map((task) => task())).toEqual(['gray']);

  const Made = bound(class extends Queue {}, 'q:().push');
  const queue = new Made();
  expect(queue).toBeInstanceOf(Queue);
  expect(pushed(queue, seen).tasks[0]?.()).toBe('gray');

  const { create } = bound({ create: () => new Queue() }, 'q:create().push');
  expect(pushed(create(), seen).tasks[0]?.()).toBe('gray');
});

test('several methods of what a call, or `new`, gives', () => {
  class Urgent extends Queue {
    unshift(task: Task): void {
      this.tasks.unshift(task);
    }
  }
  const Made = bound(class extends Urgent {}, 'q:().push', 'q:().unshift');
  const queue = new Made();
  runInLane('gray', () => (queue.push(seen), queue.unshift(seen)));
  expect(queue.tasks.map((task) => task())).toEqual(['gray', 'gray']);
});

test('a property of an argument', () => {
  const client = bound({ send: (command: { callback: Task }) => command }, 'c:send[0].callback');
  expect(runInLane('gray', () => client.send({ callback: seen })).callback()).toBe('gray');
});

test('the events of what a call gives', () => {
  const client = bound({ query: () => new EventEmitter() }, 'c:query()');
  const events: string[] = [];
  const query = runInLane('gray', () => client.query());
  query.on('end', () => events.push(seen()));
  query.emit('end');
  expect(events).toEqual(['gray']);
});

test('the default export of an ES module', () => {
  const exports = bound({ default: class extends Queue {} }, 'q:prototype.push');
  expect(pushed(new exports.default(), seen).tasks[0]?.()).toBe('gray');
});

test('a bound function is as long as it was, of its kind, and has its properties', async () => {
  const queue = new (bound(class extends Queue {}, 'q:prototype.push'))();
  const task = Object.assign(async (_done: unknown) => seen(), { timeout: 5 });
  const [kept] = pushed(queue, task).tasks as [typeof task];
  expect([kept.length, kept.timeout, Object.prototype.toString.call(kept)]).toEqual([1, 5, '[object AsyncFunction]']);
  expect(await kept(1)).toBe('gray');
});

test('a bound function that is handed in once more stays with who handed it in first', () => {
  const queue = new (bound(class extends Queue {}, 'q:prototype.push'))();
  pushed(queue, seen);
  for (let again = 0; again < 3; again++) runInLane('blue', () => queue.push(queue.tasks.at(-1) as Task));
  expect(new Set(queue.tasks).size).toBe(1);
  expect(queue.tasks.at(-1)?.()).toBe('gray');
});

test('a bound function may be frozen, and be a class', () => {
  const queue = new (bound(class extends Queue {}, 'q:prototype.push'))();
  class Job {
    readonly lane = seen();
  }
  const [frozen, Made] = pushed(
    queue,
    Object.freeze(() => seen()),
    Job as unknown as Task,
  ).tasks as [Task, unknown];
  expect(frozen()).toBe('gray');
  expect(new (Made as typeof Job)()).toBeInstanceOf(Job);
});

test('what base hands in before any tag has come is of base, whoever calls it', () => {
  const queue = new (bound(class extends Queue {}, 'q:prototype.push'))();
  queue.push(seen);
  expect(runInLane('gray', () => queue.tasks[0]?.())).toBe('none');
});

test('what is not there is told', () => {
  for (const line of ['q:Queue.prototype.push', 'q:prototype.push', 'q:()[0]', 'q:a.b.c[0]'])
    expect(bind(parseBinding(line) as Binding, { exports: { Queue: class {} } })).toBe(false);
  expect(bind(parseBinding('q:push') as Binding, { exports: null })).toBe(false);
});

describe('a line that is none', () => {
  test.each(['', 'q', ':push', 'q:push[', 'q:push[a]', 'q:push[0].', 'q:push[0].a.b', 'q:a..b', 'q:a b', '../q:push', 'q:push[0][1]', 'q/:push'])(
    '%j',
    (line) => expect(parseBinding(line)).toBeUndefined(),
  );
});
