/** Live traffic in a real Chromium: rings, self-calls, 300 services, 12 lanes and 1,000 connections. */
import { startConsole } from '@lane/console';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { eventually } from '@lane/testing/eventually';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { missingBrowser, openWindow, startBrowser, type Look } from '../../interop/console/browser.js';
import { mesh, startTellers, type Teller } from './callers.js';
import { laneName, LANES } from './scale.js';

const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
const missing = missingBrowser();
if (missing !== undefined && mustRun) throw new Error(`${missing}. With CI set, it has to be there`);

/** A ring of three services in base and gray, one of which calls itself. */
function ring(): Teller[] {
  const calls = (peer: string, tag: string | null, errors = 0): Teller['calls'][number] => ({
    peer,
    tag,
    route: tag === null ? 'base' : 'lane',
    count: 20,
    errors,
  });
  return [
    { service: 'cart', tag: null, requests: 20, calls: [calls('stock', null), calls('cart', null)] },
    { service: 'stock', tag: null, requests: 20, calls: [calls('price', null, 4)] },
    { service: 'price', tag: null, requests: 20, calls: [calls('cart', null)] },
    { service: 'cart', tag: 'gray', requests: 20, calls: [calls('stock', 'gray')] },
    { service: 'stock', tag: 'gray', requests: 20, calls: [] },
  ];
}

describe.skipIf(missing !== undefined)(`live traffic in the console${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function open(tellers: readonly Teller[], look: Look = {}): Promise<{ page: Page; problems: string[] }> {
    const nacos = await startEmbeddedNacos({ port: 0 });
    onTestFinished(() => nacos.close());
    const connection = connectNacos({ server: nacos.address });
    onTestFinished(() => connection.close());
    onTestFinished(await startTellers(connection, tellers));
    const running = await startConsole({ connection, port: 0 });
    onTestFinished(() => running.close());
    const { context, page, problems } = await openWindow(browser, look);
    onTestFinished(() => context.close());
    page.setDefaultTimeout(90_000);
    await page.goto(`${running.url}/traffic`);
    return { page, problems };
  }

  test('a ring and a self-call have arrows, errors and p95; a node opens its details, and a decision is explained', async () => {
    const { page, problems } = await open(ring());
    const graph = page.getByRole('group', { name: /^Graph of 3 services and 5 connections/ });
    await graph.waitFor();
    expect(await graph.locator('path.head').count()).toBe(5);
    // No two nodes overlap.
    const boxes = await Promise.all((await graph.getByRole('button').all()).map((node) => node.boundingBox()));
    expect(new Set(boxes.map((box) => `${Math.round(box?.x ?? 0)} ${Math.round(box?.y ?? 0)}`)).size).toBe(5);
    await graph.getByText(/^20( · [\d.]+\/s)? · p95 \d+ ms ✕4$/).waitFor();

    await graph.getByRole('button', { name: 'stock, gray' }).press('Enter');
    const panel = page.getByRole('complementary', { name: 'stock' });
    await panel.getByText(/p95 \d+ ms/).waitFor();
    await panel
      .getByRole('region', { name: 'Instances' })
      .getByText(/127\.0\.0\.1:\d+/)
      .first()
      .waitFor();
    await panel.getByRole('button', { name: 'Explain a call to stock in gray' }).first().click();
    await panel
      .getByRole('region', { name: 'Latest decisions' })
      .getByText(/served by/)
      .first()
      .waitFor();
    await panel.getByRole('region', { name: 'Called by' }).getByRole('button', { name: 'cart' }).click();
    await page.getByRole('complementary', { name: 'cart → stock' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('complementary').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test('filters by lane, service and errors', async () => {
    const { page } = await open(ring());
    const edges = page.locator('.graph path.head');
    await eventually(async () => expect(await edges.count()).toBe(5));
    await page.getByRole('combobox', { name: 'Lane' }).click();
    await page.getByRole('option', { name: 'gray' }).click();
    await eventually(async () => expect(await edges.count()).toBe(1));
    await page.getByRole('combobox', { name: 'Lane' }).click();
    await page.getByRole('option', { name: 'All lanes' }).click();
    await page.getByRole('searchbox', { name: 'Service' }).fill('price');
    await eventually(async () => expect(await edges.count()).toBe(2));
    await page.getByRole('checkbox', { name: 'Only with errors' }).check();
    await eventually(async () => expect(await edges.count()).toBe(1));
    // The filter is in the URL, to share it.
    await page.waitForURL(/\?service=price$/);
  });

  test('shows the counts of a time window, and replays them', async () => {
    const tellers = ring();
    const { page } = await open(tellers);
    const graph = page.locator('.graph');
    await graph.getByText(/^20\b/).first().waitFor();
    await page.getByRole('combobox', { name: 'Time window' }).click();
    await page.getByRole('option', { name: 'Last 1 minute' }).click();
    // Counts from before the console started are not of this minute.
    await page.getByText('No call matches.').or(graph.locator('.node').first()).first().waitFor();
    await eventually(async () => expect(await graph.locator('path.head').count()).toBe(0));
    const [calls] = tellers[0]?.calls ?? [];
    if (calls === undefined) throw new Error('nobody calls');
    calls.count += 7;
    await graph.getByText(/^7 · /).waitFor();
    expect(await graph.locator('path.head').count()).toBe(1);

    await page.getByRole('button', { name: 'Replay' }).click();
    const moment = page.getByRole('slider', { name: 'Moment of the last hour' });
    await moment.focus();
    await graph.getByText(/^7 · /).waitFor();
    calls.count += 100;
    // Later counts are not of that moment; before the first look there was nothing.
    await page.keyboard.press('Home');
    await eventually(async () => expect(await graph.locator('path.head').count()).toBe(0));
    await page.getByRole('button', { name: 'Back to now' }).click();
    await graph.getByText(/^107 · /).waitFor();
  });

  test('draws 300 services, 12 lanes and 1,000 connections, and then only changes', async () => {
    const lanes = Array.from({ length: LANES }, (_, i) => laneName(i));
    const tellers = mesh(300, 1_000, lanes);
    const { page, problems } = await open(tellers);
    await page.getByRole('group', { name: 'Graph of 300 services and 1,000 connections; the table has the same figures.' }).waitFor();
    expect(await page.locator('.graph path.head').count()).toBe(1_000);
    expect(await page.locator('.graph .node').count()).toBe(300);
    // It opens at a scale where names are readable.
    expect((await page.locator('.graph .node text').first().boundingBox())?.height).toBeGreaterThan(9);
    await page.evaluate(() => {
      const changed = new Set<Element>();
      Object.assign(globalThis, { changed });
      const svg = document.querySelector('.graph') as Element;
      new MutationObserver((records) => {
        for (const { target } of records) {
          const shown = (target.nodeType === 1 ? (target as Element) : target.parentElement)?.closest('.node');
          if (shown !== null && shown !== undefined) changed.add(shown);
        }
      }).observe(svg, { subtree: true, childList: true, characterData: true, attributes: true });
    });
    const [teller] = tellers;
    if (teller === undefined) throw new Error('there is nobody');
    teller.requests = 4_321;
    await page
      .locator('.graph .node')
      .getByText(/^4,321 · /)
      .waitFor();
    const changed = await page.evaluate(() =>
      [...(globalThis as unknown as { changed: Set<Element> }).changed].map((node) =>
        node.querySelector('[role=button]')?.getAttribute('aria-label'),
      ),
    );
    expect(changed).toEqual(['mesh-000, base']);
    expect(problems).toEqual([]);
  });

  test('in such a graph, twelve lanes have twelve colours and their names, nothing moves by itself, and opening a service redraws only that', async () => {
    const lanes = Array.from({ length: LANES }, (_, i) => laneName(i));
    const { page, problems } = await open(mesh(300, 1_000, lanes), { reducedMotion: 'no-preference' });
    const graph = page.getByRole('group', { name: /^Graph of 300 services/ });
    await graph.waitFor();
    const colours = await graph
      .locator('.edge:not([data-fails], .plate-of)')
      .evaluateAll((edges) =>
        edges.map((edge) => [
          edge.querySelector('title')?.textContent?.replace(/^.*, /, ''),
          getComputedStyle(edge.querySelector('.head') as Element).fill,
        ]),
      );
    // Each lane has a colour, and no two are the same.
    const byLane = new Map(colours.map(([lane, colour]) => [lane, colour] as const));
    expect(new Set(colours.map(String)).size).toBe(LANES + 1);
    expect(new Set(byLane.keys())).toEqual(new Set(['base', ...lanes]));
    expect(new Set(byLane.values()).size).toBe(LANES + 1);

    const moving = (): Promise<number> => page.evaluate(() => document.getAnimations().length);
    // Rates appear from the second look on.
    await page.getByRole('region', { name: 'Calls' }).getByRole('cell', { name: '0', exact: true }).first().waitFor();
    expect(await moving()).toBe(0);
    await page.evaluate(() => {
      const touched = new Set<Node>();
      Object.assign(globalThis, { touched });
      new MutationObserver((records) => {
        for (const { target } of records) if ((target as Element).matches('.node, .edge')) touched.add(target);
      }).observe(document.querySelector('.graph') as Element, { subtree: true, attributes: true });
    });
    const node = graph.getByRole('button', { name: 'mesh-000, base', exact: true });
    await node.hover();
    await graph.locator('.node[data-near]').first().waitFor();
    const near = await graph.locator('[data-near]').count();
    expect(await page.evaluate(() => (globalThis as unknown as { touched: Set<Node> }).touched.size)).toBe(near);
    expect(near).toBeLessThan(40);
    expect(problems).toEqual([]);
  });

  test('a large graph can be dragged, zooms at the pointer, and fits into its frame', async () => {
    const { page, problems } = await open(mesh(300, 600, ['gray']));
    const graph = page.getByRole('group', { name: /^Graph of 300 services/ });
    await graph.waitFor();
    const region = page.locator('.graph-scroll');
    const scrolled = (): Promise<readonly [number, number]> => region.evaluate(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop] as const);
    await region.scrollIntoViewIfNeeded();
    const box = await region.boundingBox();
    if (box === null) throw new Error('there is no graph');
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x - 90, y - 70, { steps: 5 });
    await page.mouse.up();
    expect(await scrolled()).toEqual([90, 70]);
    // Dragging does not click the element below.
    expect(await page.getByRole('complementary').count()).toBe(0);

    // The point below the pointer stays there.
    const node = graph.locator('.node').nth(40);
    await node.scrollIntoViewIfNeeded();
    const middle = async (): Promise<readonly [number, number]> => {
      const at = await node.locator('rect').boundingBox();
      if (at === null) throw new Error('it is not in sight');
      return [at.x + at.width / 2, at.y + at.height / 2];
    };
    const before = await middle();
    const width = (await graph.boundingBox())?.width ?? 0;
    await page.mouse.move(...before);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -120);
    await page.keyboard.up('Control');
    await eventually(async () => expect((await graph.boundingBox())?.width).toBeGreaterThan(width * 1.2));
    for (const [i, value] of (await middle()).entries()) expect(Math.abs(value - (before[i] ?? 0))).toBeLessThan(4);

    await page.getByRole('button', { name: 'Fit' }).click();
    await eventually(async () => {
      const whole = await graph.boundingBox();
      expect(whole?.width).toBeLessThanOrEqual(box.width);
      expect(whole?.height).toBeLessThanOrEqual(box.height);
    });
    expect(problems).toEqual([]);
  });
});
