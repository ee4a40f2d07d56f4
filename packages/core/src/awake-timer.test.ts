import { afterEach, expect, test, vi } from 'vitest';
import { AwakeTimer } from './awake-timer.js';

afterEach(() => void vi.useRealTimers());

test('calls its work once, after its time', () => {
  vi.useFakeTimers();
  const work = vi.fn<() => void>();
  const timer = new AwakeTimer(3_000, work);
  vi.advanceTimersByTime(2_999);
  expect(work).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(work).toHaveBeenCalledOnce();
  // It is over: nothing happens.
  timer.ref().unref().clear();
  expect(vi.getTimerCount()).toBe(0);
});

test('does not call it once it is cleared', () => {
  vi.useFakeTimers();
  const work = vi.fn<() => void>();
  const timer = new AwakeTimer(3_000, work);
  vi.advanceTimersByTime(1_000);
  timer.clear();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(60_000);
  expect(work).not.toHaveBeenCalled();
});

test('a time in which the process was blocked counts as a tenth of it, however long it was', async () => {
  const work = vi.fn<() => void>();
  const timer = new AwakeTimer(1_000, work);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
  // Timers that are due run first, then what has arrived is read.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(work).not.toHaveBeenCalled();
  timer.clear();
});
