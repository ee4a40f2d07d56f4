import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { BodyReader, type BodySource } from './body-reader.js';

/** A body that is sent by hand. */
class Sent implements BodySource {
  isDestroyed = false;
  readonly #chunks: Uint8Array[] = [];
  #isWhole = false;
  #wake = (): void => {};

  async send(text: string | Uint8Array, isWhole = false): Promise<void> {
    this.#chunks.push(typeof text === 'string' ? Buffer.from(text) : text);
    this.#isWhole = isWhole;
    this.#wake();
    await setImmediate();
  }

  destroy(): void {
    this.isDestroyed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.isDestroyed) throw new Error('aborted');
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#isWhole) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

test('reads a body as UTF-8, however it is split, and rejects one that is too long', async () => {
  const reader = new BodyReader({ ofOne: 8, ofAll: 100 });
  const cut = new Sent();
  const read = reader.read(cut);
  const bytes = Buffer.from('商店');
  await cut.send(bytes.subarray(0, 2));
  await cut.send(bytes.subarray(2), true);
  expect(await read).toBe('商店');

  const long = new Sent();
  const refused = reader.read(long);
  await long.send('123456789');
  expect(await refused).toBeUndefined();
});

test('a body in one-byte pieces takes at most twice its length', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const length = 2_000_000;
  const piece = Buffer.from('x');
  let held = 0;
  const source = {
    destroy() {},
    async *[Symbol.asyncIterator]() {
      collect();
      const before = process.memoryUsage();
      for (let i = 0; i < length; i++) yield piece;
      collect();
      const after = process.memoryUsage();
      held = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    },
  };
  expect(await new BodyReader({ ofOne: length, ofAll: length }).read(source)).toHaveLength(length);
  expect(held).toBeLessThan(3 * length);
});

test('if all together are too large, drops the slowest, and reads the others', async () => {
  const reader = new BodyReader({ ofOne: 80, ofAll: 100 });
  const slow = [new Sent(), new Sent()];
  const held = slow.map((one) => reader.read(one).catch((error: Error) => error.message));
  for (const one of slow) await one.send('x'.repeat(50));
  const quick = new Sent();
  const read = reader.read(quick);
  await quick.send('quick', true);
  expect(await read).toBe('quick');
  expect(slow.map(({ isDestroyed }) => isDestroyed)).toEqual([true, false]);
  expect(await held[0]).toBe('aborted');
  // What it held is free again.
  const next = new Sent();
  const after = reader.read(next);
  await next.send('y'.repeat(50), true);
  expect(await after).toHaveLength(50);
  await slow[1]?.send('', true);
  expect(await held[1]).toHaveLength(50);
});
