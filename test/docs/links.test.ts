/** Links in all documents, to pictures and headings too, have a target; README stays a front page. */
import { describe, expect, test } from 'vitest';
import { anchorOf, anchorsOf, deadLinks, documents, linksOf, pieces, resolveLink, textOf } from '../../docs/site/documents.cjs';

test('finds the documents', () => {
  expect(documents()).toEqual(
    expect.arrayContaining(['README.md', 'README.zh-CN.md', 'SECURITY.md', 'docs/index.md', 'packages/agent/README.md', 'examples/shop/README.md']),
  );
});

test.each(documents())('%s has no dead link', (path) => {
  expect(deadLinks(path)).toEqual([]);
});

test.each(['README.md', 'README.zh-CN.md'])('%s has at most 200 lines', (path) => {
  expect(textOf(path).split('\n').length).toBeLessThanOrEqual(200);
});

test('docs/index.md leads to every document in docs/', () => {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const target of linksOf(textOf(path))) {
      const link = resolveLink(path, target);
      if (link?.path.endsWith('.md') === true && link.exists) visit(link.path);
    }
  };
  visit('docs/index.md');
  expect(documents().filter((path) => path.startsWith('docs/') && !reached.has(path))).toEqual([]);
});

describe('the checker finds', () => {
  test.each([
    ['[a](no.md)', ['no.md']],
    ['[a `b](no)` c](d) and `[e](f)`', ['d']],
    ['[![a](p.png)](d)', ['p.png', 'd']],
    ['[a [b] c](d)', ['d']],
    ['a \\` b [c](d) `e`', ['d']],
    ['text\n\n    [a](b)\n\n[c](d)', ['d']],
    ['- item\n\n    [a](b)', ['b']],
    ['```md\n[a](b)\n```\n[c](d)', ['d']],
    ['````\n```\n[a](b)\n````\n[c](d)', ['d']],
  ])('links of %j', (text, expected) => {
    expect(new Set(linksOf(text))).toEqual(new Set(expected));
    expect([...pieces(text)].map((piece) => piece.text).join('')).toBe(text);
  });

  // As GitHub makes them.
  test.each([
    ['Rolling out, rolling back', 'rolling-out-rolling-back'],
    ['`lane lint`', 'lane-lint'],
    ['1. Install the agent', '1-install-the-agent'],
    ['What it *costs*', 'what-it-costs'],
    ['快速开始', '快速开始'],
    ['A [link](b.md)', 'a-link'],
  ])('anchor of %j', (heading, anchor) => {
    expect([...anchorsOf(`# ${heading}`)]).toEqual([anchor]);
    expect(anchorOf(heading.replaceAll('`', ''))).toBe(anchor);
  });

  test('a dead link and a dead anchor', () => {
    const text = '[a](no.md) [b](concepts.md#no-such) [c](concepts.md#concepts) [d](#here) [e](#there) [f](../../x.md)\n\n# Here\n';
    const dead = deadLinks('docs/demo.md', text);
    expect(dead.map((line) => line.split(': ')[1])).toEqual(['no.md', 'concepts.md#no-such', '#there', '../../x.md']);
  });
});
