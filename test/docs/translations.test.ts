/** Chinese pages show commands that English documents show, where readers and tests keep them right. */
import { expect, test } from 'vitest';
import { documents, pieces, textOf } from '../../docs/site/documents.cjs';

const [translated, originals] = [true, false].map((isTranslated) =>
  documents().filter((path) => /^docs\/zh\/|zh-CN/.test(path) === isTranslated),
) as [string[], string[]];

/** Lines that call `lane`, `npm`, `node` or `curl`, without what a comment says of them. */
function commandsOf(path: string): string[] {
  const blocks = [...pieces(textOf(path))].filter(({ kind }) => kind === 'block').map(({ text }) => text.replaceAll(/\\\n\s*/g, ''));
  return blocks
    .flatMap((text) => text.split('\n'))
    .map((line) =>
      line
        .trim()
        .replace(/^\$ /, '')
        .replace(/^npx lane /, 'lane ')
        .replace(/\s+#.*$/, '')
        .replaceAll(/\s+/g, ' '),
    )
    .filter((line) => /^(?:[A-Z_]+=\S* )*(?:lane|npm|npx|node|curl) /.test(line));
}

const known = new Set(originals.flatMap(commandsOf));

test('there are pages to compare', () => {
  expect(translated.length).toBeGreaterThan(20);
  expect(translated.flatMap(commandsOf).length).toBeGreaterThan(50);
});

test.each(translated)('commands in %s', (path) => {
  expect(commandsOf(path).filter((command) => !known.has(command))).toEqual([]);
});
