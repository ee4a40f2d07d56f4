/** Live traffic in a real Chromium: rings, calls to oneself, 300 services, 12 lanes and 1,000 connections. */
import { startConsole } from '@lane/console';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { eventually } from '@lane/testing/eventually';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { missingBrowser, openWindow, startBrowser } from '../../interop/console/browser.js';
import { mesh, startTellers, type Teller } from './callers.js';
import { laneName, LANES } from './scale.js';

const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
const missing = missingBrowser();
if (missing !== undefined && mustRun) throw new Error(`${missing}. With CI set, it has to be there`);

/** A ring of three in base and gray, of which one calls itself. */
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

describe.skipIf(missing !== undefined)(`live traffic in the console${missing === undefined ? '' : ` (left out: ${missing})`}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function open(tellers: readonly Teller[]): Promise<{ page: Page; problems: string[] }> {
    const nacos = await startEmbeddedNacos({ port: 0 });
    onTestFinished(() => nacos.close());
    const connection = connectNacos({ server: nacos.address });
    onTestFinished(() => connection.close());
    onTestFinished(await startTellers(connection, tellers));
    const running = await startConsole({ connection, port: 0 });
    onTestFinished(() => running.close());
    const { context, page, problems } = await openWindow(browser);
    onTestFinished(() => context.close());
    page.setDefaultTimeout(90_000);
    await page.goto(`${running.url}/traffic`);
    return { page, problems };
  }

  test('a ring and a call to oneself have arrows, errors and p95; a node opens what is known of it, and a decision is explained', async () => {
    const { page, problems } = await open(ring());
    const graph = page.getByRole('group', { name: /^Graph of 3 services and 5 connections/ });
    await graph.waitFor();
    expect(await graph.locator('path.head').count()).toBe(5);
    // Nobody stands at another's place.
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

  test('by lane, service and errors less is shown', async () => {
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
    // It is in the address, for others to look at.
    await page.waitForURL(/\?service=price$/);
  });

  test('what was counted in a window is told, and shown once more', async () => {
    const tellers = ring();
    const { page } = await open(tellers);
    const graph = page.locator('.graph');
    await graph.getByText(/^20\b/).first().waitFor();
    await page.getByRole('combobox', { name: 'Time window' }).click();
    await page.getByRole('option', { name: 'Last 1 minute' }).click();
    // What was counted before the console began is not of this minute.
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
    // What comes meanwhile is not of that moment; before the first look there was nothing.
    await page.keyboard.press('Home');
    await eventually(async () => expect(await graph.locator('path.head').count()).toBe(0));
    await page.getByRole('button', { name: 'Back to now' }).click();
    await graph.getByText(/^107 · /).waitFor();
  });

  test('300 services, 12 lanes and 1,000 connections are drawn, and then only what has changed', async () => {
    const lanes = Array.from({ length: LANES }, (_, i) => laneName(i));
    const tellers = mesh(300, 1_000, lanes);
    const { page, problems } = await open(tellers);
    await page.getByRole('group', { name: 'Graph of 300 services and 1,000 connections; the table has the same figures.' }).waitFor();
    expect(await page.locator('.graph path.head').count()).toBe(1_000);
    expect(await page.locator('.graph .node').count()).toBe(300);
    // It opens so that names can be read.
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
});
