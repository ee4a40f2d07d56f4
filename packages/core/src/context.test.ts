import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';

type Context = typeof import('./context.js');

let context: Context;

/** Loads another copy of the file, as a second installed version would be. */
async function loadCopy(): Promise<Context> {
  vi.resetModules();
  return import('./context.js');
}

beforeEach(async () => {
  // As in a new process.
  delete (globalThis as Record<symbol, unknown>)[Symbol.for('lane.context.v1')];
  context = await loadCopy();
});

describe('runInLane', () => {
  test('passes arguments and result through, and restores the lane', () => {
    const { currentLane, runInLane } = context;
    expect(runInLane('gray', (a: number, b: number) => [currentLane(), a + b], 1, 2)).toEqual(['gray', 3]);
    expect(currentLane()).toBe(undefined);
  });

  test('everything it starts belongs to the lane: promises, timers, ticks', async () => {
    const { currentLane, runInLane } = context;
    const seen = await runInLane('gray', async () => {
      const lanes: unknown[] = [];
      await Promise.resolve();
      lanes.push(currentLane());
      await setImmediate();
      lanes.push(currentLane());
      await new Promise<void>((resolve) => setTimeout(() => process.nextTick(() => (lanes.push(currentLane()), resolve())), 1));
      lanes.push(currentLane());
      return lanes;
    });
    expect(seen).toEqual(['gray', 'gray', 'gray', 'gray']);
    expect(currentLane()).toBe(undefined);
  });

  test.each([null, '', 'no tag', 7])('with %j, which is not a tag, runs in base: stores return such values for none', (none) => {
    const { currentLane, runInLane } = context;
    expect(runInLane('gray', () => runInLane(none as never, () => currentLane()))).toBe(undefined);
    expect(runInLane(none as never, () => currentLane())).toBe(undefined);
  });

  test('nests, down to base and back', () => {
    const { currentLane, runInLane } = context;
    const seen = runInLane('gray', () => [
      currentLane(),
      runInLane('blue', () => [currentLane(), runInLane(undefined, () => currentLane()), currentLane()]),
      currentLane(),
    ]);
    expect(seen).toEqual(['gray', ['blue', undefined, 'blue'], 'gray']);
  });

  test('concurrent work does not mix', async () => {
    const { currentLane, runInLane } = context;
    const tags = Array.from({ length: 100 }, (_, i) => [undefined, 'gray', 'blue'][i % 3]);
    const seen = await Promise.all(
      tags.map((tag, i) =>
        runInLane(tag, async () => {
          for (let step = 0; step < i % 7; step++) await setImmediate();
          return currentLane();
        }),
      ),
    );
    expect(seen).toEqual(tags);
  });

  test('exceptions propagate, and the lane is left', async () => {
    const { currentLane, runInLane } = context;
    expect(() =>
      runInLane('gray', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    await expect(runInLane('gray', () => Promise.reject(new Error('nor this')))).rejects.toThrow('nor this');
    expect(currentLane()).toBe(undefined);
  });
});

describe('no tag', () => {
  test('work without a tag stays out of AsyncLocalStorage until a tag arrives', () => {
    const { bindLane, currentContext, hasEnteredLane, laneContext, resumeContext, runInLane } = context;
    const run = vi.spyOn(AsyncLocalStorage.prototype, 'run');
    try {
      expect(runInLane(undefined, () => currentContext())).toBe(undefined);
      expect(bindLane(() => currentContext())()).toBe(undefined);
      expect(resumeContext(undefined, currentContext, undefined, [])).toBe(undefined);
      expect(resumeContext(laneContext(undefined), currentContext, undefined, [])).toBe(undefined);
      expect(hasEnteredLane()).toBe(false);
      expect(run).not.toHaveBeenCalled();
      runInLane('gray', () => undefined);
      expect(run).toHaveBeenCalledTimes(1);
      expect(hasEnteredLane()).toBe(true);
    } finally {
      run.mockRestore();
    }
  });

  test('once a lane has been entered, base within it differs from no context', () => {
    const { currentContext, laneContext, runInLane } = context;
    expect(runInLane('gray', () => runInLane(undefined, () => currentContext()))).toBe(laneContext(undefined));
    expect(currentContext()).toBe(undefined);
  });
});

describe('resumeContext', () => {
  test('calls in the context that was current before, with `this` and arguments', () => {
    const { currentLane, laneContext, resumeContext, runInLane } = context;
    const self = { name: 'self' };
    const work = function (this: unknown, ...args: unknown[]): unknown[] {
      return [this, args, currentLane()];
    };
    expect(resumeContext(laneContext('gray'), work, self, [1, 2])).toEqual([self, [1, 2], 'gray']);
    for (const none of [undefined, laneContext(undefined)])
      expect(runInLane('gray', () => resumeContext(none, work, self, [3]))).toEqual([self, [3], undefined]);
  });

  test('does not enter what is current', () => {
    const { currentContext, laneContext, resumeContext, runInLane } = context;
    const gray = laneContext('gray');
    runInLane('gray', () => {
      const run = vi.spyOn(AsyncLocalStorage.prototype, 'run');
      expect(resumeContext(gray, currentContext, undefined, [])).toBe(gray);
      expect(run).not.toHaveBeenCalled();
      run.mockRestore();
    });
  });

  test('of a background: what was handed over as base stays base', () => {
    const { currentLane, laneContext, resumeContext, setBackgroundLane } = context;
    setBackgroundLane('gray');
    expect(resumeContext(laneContext(undefined), currentLane, undefined, [])).toBe(undefined);
    expect(resumeContext(laneContext('gray'), currentLane, undefined, [])).toBe('gray');
  });
});

describe('enterContext', () => {
  test('enters base expressly, even where no lane has been entered: a tag that was not trusted must not be passed on', () => {
    const { currentContext, enterContext, laneContext } = context;
    expect(enterContext(laneContext(undefined), currentContext, undefined, [])).toBe(laneContext(undefined));
  });

  test('calls with `this` and arguments', () => {
    const { currentLane, enterContext, laneContext } = context;
    const self = { name: 'self' };
    const work = function (this: unknown, ...args: unknown[]): unknown[] {
      return [this, args, currentLane()];
    };
    expect(enterContext(laneContext('gray'), work, self, [1, 2])).toEqual([self, [1, 2], 'gray']);
  });

  test('has one immutable context per tag', () => {
    const { currentContext, enterContext, laneContext } = context;
    const gray = laneContext('gray');
    expect(laneContext('gray')).toBe(gray);
    expect(laneContext('blue')).not.toBe(gray);
    expect(laneContext(undefined)).toBe(laneContext(undefined));
    expect(enterContext(gray, currentContext, undefined, [])).toBe(gray);
    expect(() => {
      (gray as { tag: string }).tag = 'blue';
    }).toThrow(TypeError);
  });

  test('made-up tags do not exhaust memory, and still work', () => {
    const { currentLane, laneContext, runInLane } = context;
    const gray = laneContext('gray');
    const anew = Array.from({ length: 5000 }, (_, i) => `made-up-${i}`).filter((tag) => laneContext(tag) !== laneContext(tag)).length;
    expect(anew).toBeGreaterThan(3900);
    expect(runInLane('made-up-4999', currentLane)).toBe('made-up-4999');
    expect(laneContext('gray')).toBe(gray);
  });
});

describe('bindLane', () => {
  test('runs in the lane where it was bound, with `this` and arguments, called from any other', () => {
    const { bindLane, currentLane, runInLane } = context;
    const bound = runInLane('gray', () =>
      bindLane(function (this: unknown, ...args: unknown[]) {
        return [currentLane(), this, args];
      }),
    );
    const self = {};
    for (const tag of [undefined, 'gray', 'blue']) expect(runInLane(tag, () => Reflect.apply(bound, self, [1, 2]))).toEqual(['gray', self, [1, 2]]);
  });

  test('bound outside any lane it runs in base, even if called from a lane', () => {
    const { bindLane, currentLane, runInLane } = context;
    const bound = bindLane(() => currentLane());
    expect(runInLane('gray', bound)).toBe(undefined);
    expect(bound()).toBe(undefined);
  });

  test('each of several listeners of one emitter keeps its own', () => {
    const { bindLane, currentLane, runInLane } = context;
    const listeners = ['gray', undefined, 'blue'].map((tag) => runInLane(tag, () => bindLane(() => currentLane())));
    expect(runInLane('green', () => listeners.map((listener) => listener()))).toEqual(['gray', undefined, 'blue']);
  });
});

describe('the background lane', () => {
  test('is the lane of work that belongs to no request', async () => {
    const { backgroundLane, currentContext, currentLane, hasEnteredLane, laneContext, setBackgroundLane } = context;
    expect(backgroundLane()).toBe(undefined);
    setBackgroundLane('gray');
    expect(backgroundLane()).toBe('gray');
    expect(currentLane()).toBe('gray');
    expect(currentContext()).toBe(laneContext('gray'));
    await setImmediate();
    expect(currentLane()).toBe('gray');
    expect(hasEnteredLane()).toBe(false);
    setBackgroundLane(undefined);
    expect(currentLane()).toBe(undefined);
  });

  test('a request without a tag on an instance with one is base, and another lane is another', async () => {
    const { bindLane, currentLane, runInLane, setBackgroundLane } = context;
    setBackgroundLane('gray');
    const background = bindLane(() => currentLane());
    expect(runInLane(undefined, () => currentLane())).toBe(undefined);
    expect(await runInLane(undefined, async () => (await setImmediate(), currentLane()))).toBe(undefined);
    expect(runInLane('blue', () => currentLane())).toBe('blue');
    expect(runInLane(undefined, background)).toBe('gray');
    expect(runInLane('blue', background)).toBe('gray');
    expect(currentLane()).toBe('gray');
  });
});

describe('aroundEntering', () => {
  test('surrounds every entry into a lane', () => {
    const { aroundEntering, bindLane, currentLane, enterContext, laneContext, runInLane } = context;
    const bound = runInLane('green', () => bindLane(() => currentLane()));
    const seen: unknown[] = [];
    aroundEntering((entered, enter) => {
      seen.push(entered.tag);
      return enter();
    });
    expect(runInLane('gray', (suffix: string) => `${currentLane()}${suffix}`, '!')).toBe('gray!');
    expect(enterContext(laneContext('blue'), currentLane, undefined, [])).toBe('blue');
    expect(bound()).toBe('green');
    expect(seen).toEqual(['gray', 'blue', 'green']);
  });
});

describe('two copies in one process', () => {
  test('share the lane, the contexts, the background and what is around entering', async () => {
    const other = await loadCopy();
    expect(other.runInLane).not.toBe(context.runInLane);

    expect(context.runInLane('gray', () => other.currentLane())).toBe('gray');
    expect(other.runInLane('blue', () => context.currentLane())).toBe('blue');
    expect(await other.runInLane('blue', async () => (await setImmediate(), context.runInLane(undefined, other.currentLane)))).toBe(undefined);
    expect(other.laneContext('gray')).toBe(context.laneContext('gray'));
    expect(other.hasEnteredLane()).toBe(true);

    context.setBackgroundLane('gray');
    expect(other.backgroundLane()).toBe('gray');
    const seen: unknown[] = [];
    other.aroundEntering((entered, enter) => (seen.push(entered.tag), enter()));
    context.runInLane('green', () => undefined);
    expect(seen).toEqual(['green']);
  });
});
