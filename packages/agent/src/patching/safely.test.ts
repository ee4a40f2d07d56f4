import { beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../boot/log.js';
import { MAX_FAILURES_IN_A_ROW, reportFailuresTo, safely } from './safely.js';

let lines: string[];
beforeEach(() => {
  lines = [];
  reportFailuresTo(createLog('warn', false, (line) => lines.push(line)));
});

describe('a hook', () => {
  test('gets its arguments and this, and gives its result', () => {
    const hook = safely('sum', function (this: { offset: number }, a: number, b: number) {
      return this.offset + a + b;
    });
    expect(hook.call({ offset: 1 }, 2, 3)).toBe(6);
    expect(lines).toEqual([]);
  });

  test('that throws has nothing to say, and that is told once for each cause', () => {
    const hook = safely('broken', (cause: unknown) => {
      throw cause;
    });
    for (const cause of [new Error('one'), new Error('one'), new TypeError('two'), 'three', undefined, null]) expect(hook(cause)).toBeUndefined();
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^lane error: a bug in the agent's broken hook; the call continued without it error=Error: one\\n/);
  });

  test('that fails too often in a row is not called again, which is told', () => {
    let calls = 0;
    const hook = safely('hopeless', () => {
      calls++;
      throw new Error('again');
    });
    for (let i = 0; i < MAX_FAILURES_IN_A_ROW + 20; i++) hook();
    expect(calls).toBe(MAX_FAILURES_IN_A_ROW);
    expect(lines.map((line) => line.split('\n')[0])).toEqual([
      expect.stringContaining('a bug'),
      `lane error: the agent's hopeless hook failed ${MAX_FAILURES_IN_A_ROW} times in a row and is off until the next start`,
    ]);
  });

  test('that works now and then stays in use', () => {
    let calls = 0;
    const hook = safely('moody', () => {
      if (++calls % MAX_FAILURES_IN_A_ROW !== 0) throw new Error('not now');
      return 'works';
    });
    const results = Array.from({ length: 3 * MAX_FAILURES_IN_A_ROW }, () => hook());
    expect(results.filter((result) => result === 'works')).toHaveLength(3);
  });
});
