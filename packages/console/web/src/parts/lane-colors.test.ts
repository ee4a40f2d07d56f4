import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { colorOfName, COLORS, colorsOf } from './lane-colors.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `canary-${String(i + 1).padStart(2, '0')}`);

describe('which colour a lane has', () => {
  test.each([[names(12)], [['gray', 'blue', 'green', 'dev', 'test', 'staging', 'canary', 'v2', 'alice', 'bob', 'pr-1', 'pr-2']]])(
    'twelve all have different ones: %s',
    (tags) => {
      expect(new Set(colorsOf(tags).values()).size).toBe(12);
    },
  );

  test('with more tags, as few as possible share a colour', () => {
    const counts = new Map<number, number>();
    for (const color of colorsOf(names(30)).values()) counts.set(color, (counts.get(color) ?? 0) + 1);
    expect([counts.size, Math.max(...counts.values())]).toEqual([COLORS, 3]);
  });

  test('it depends only on the name, unless another lane has it', () => {
    const tags = names(200);
    const alone = new Map(tags.map((tag) => [tag, colorOfName(tag)]));
    const different = [...new Map(tags.map((tag) => [colorOfName(tag), tag])).values()];
    expect(different.length).toBe(COLORS);
    for (const some of [different, different.toReversed(), different.slice(3, 7)])
      for (const [tag, color] of colorsOf(some)) expect([tag, color]).toEqual([tag, alone.get(tag)]);
  });

  test('a lane that comes takes nobody’s colour but of one that had the same name’s colour, and comes after it', () => {
    const [first, second] = ((tags) => tags.filter((tag) => colorOfName(tag) === colorOfName(tags[0] as string)))(names(200)) as [string, string];
    expect(first < second).toBe(true);
    expect(colorsOf([second]).get(second)).toBe(colorOfName(second));
    const both = colorsOf([second, first]);
    expect(both.get(first)).toBe(colorOfName(first));
    expect(both.get(second)).not.toBe(both.get(first));
    // Where the later one is known already, it keeps its own.
    expect(colorsOf([second, first], colorsOf([second])).get(second)).toBe(colorOfName(second));
  });
});

/** `light-dark(#…, #…)` of each colour of a lane in styles.css. */
function colorsIn(css: string): Map<string, Record<string, readonly [light: string, dark: string]>> {
  return new Map(
    [...css.matchAll(/^\.(lane-\d+|lane-base) \{\n([^}]*)\}/gm)].map(([, name, body]) => [
      name as string,
      Object.fromEntries(
        [...(body as string).matchAll(/--lane-(\w+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, what, light, dark]) => [
          what as string,
          [light as string, dark as string] as const,
        ]),
      ),
    ]),
  );
}

type Rgb = readonly [number, number, number];
const rgbOf = (hex: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255) as unknown as Rgb;
const linear = (rgb: Rgb): Rgb => rgb.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)) as unknown as Rgb;
/** As WCAG 2.2 defines it. */
function contrast(a: Rgb, b: Rgb): number {
  const [lighter, darker] = [a, b]
    .map((rgb) => {
      const [red, green, blue] = linear(rgb);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .toSorted((one, other) => other - one) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}
/** How different two colours look: their distance in OKLab, where 0.02 is just visible. */
function difference(a: Rgb, b: Rgb): number {
  const [one, other] = [a, b].map((rgb) => {
    const [red, green, blue] = linear(rgb);
    const [l, m, s] = [
      Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue),
      Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue),
      Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue),
    ];
    return [
      0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
    ] as const;
  }) as [readonly [number, number, number], readonly [number, number, number]];
  return Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
}
const mix = (over: Rgb, under: Rgb, share: number): Rgb =>
  over.map((value, i) => value * share + (under[i] as number) * (1 - share)) as unknown as Rgb;

describe('the colours', () => {
  const colors = colorsIn(readFileSync(join(__dirname, '../styles.css'), 'utf8'));
  const of = (name: string, what: string, scheme: 0 | 1): Rgb => rgbOf(colors.get(name)?.[what]?.[scheme] ?? 'none');
  const lanes = [...colors.keys()];

  test('there is one for each number that lanes get', () => {
    expect(lanes).toEqual(['lane-base', ...Array.from({ length: COLORS }, (_, i) => `lane-${i}`)]);
  });

  describe.each([
    ['light', 0, ['#ffffff', '#f6f7fb', '#f9fafc']],
    ['dark', 1, ['#1a1d27', '#12141c', '#20242f']],
  ] as const)('%s', (_, scheme, surfaces) => {
    test('names are readable on their colour, and lines visible on every background', () => {
      const faint: unknown[] = [];
      for (const lane of lanes) {
        const name = contrast(of(lane, 'text', scheme), of(lane, 'back', scheme));
        if (name < 4.5) faint.push([lane, 'text', name]);
        for (const surface of surfaces) {
          const line = contrast(of(lane, 'line', scheme), rgbOf(surface));
          if (line < 3) faint.push([lane, surface, line]);
        }
        // The lines of all lanes cross the bands of the graph.
        for (const band of lanes) {
          const line = contrast(of(lane, 'line', scheme), mix(of(band, 'back', scheme), rgbOf(surfaces[0]), 0.55));
          if (line < 3) faint.push([lane, `in the band of ${band}`, line]);
        }
      }
      expect(faint).toEqual([]);
    });

    test('no two lines look alike', () => {
      const alike: unknown[] = [];
      for (const [i, one] of lanes.entries())
        for (const other of lanes.slice(i + 1)) {
          const distance = difference(of(one, 'line', scheme), of(other, 'line', scheme));
          if (distance < 0.09) alike.push([one, other, distance]);
        }
      expect(alike).toEqual([]);
    });
  });
});
