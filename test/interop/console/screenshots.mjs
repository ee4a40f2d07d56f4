/**
 * `npm run screenshots`: takes the documents' pictures of the console from the running demo. With a folder as argument, puts
 * all pages in all looks there instead, to review changes of their look.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDemo } from '@lane/cli';
import { chromium } from 'playwright-core';

const [folder] = process.argv.slice(2);
const target = folder ?? join(fileURLToPath(import.meta.url), '../../../../docs/screenshots');
mkdirSync(target, { recursive: true });

const RULES = [
  { name: 'by-domain', match: { host: { exact: 'www.example.com' } } },
  { name: 'staff', match: { all: [{ header: 'x-user', in: ['alice', 'bob'] }, { path: { prefix: '/a' } }] } },
  { name: 'five-percent', percent: 5, by: { cookie: 'uid' } },
];
const DESKTOP = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

const demo = await startDemo({
  ports: 'auto',
  console: true,
  laneGroups: 'none',
  entry: 'rules',
  without: ['b'],
  onProgress: (line) => console.log(line),
});
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  const put = async (path, body) => {
    const response = await fetch(`${demo.consoleUrl}/api${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'x-lane-console': '1' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
  };
  await put('/groups/shop', { services: ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'], entry: { services: ['lane-gateway'] } });
  await put('/groups/shop/lanes/gray', { tag: 'gray', enabled: true, fallback: 'base', rules: RULES.slice(0, 1) });
  await put('/groups/shop/lanes/gray', { tag: 'gray', enabled: true, fallback: 'base', rules: RULES });
  // Wait until it is in force in the gateway.
  for (let i = 0; i < 100 && !(await demo.request('www.example.com')).body.startsWith('Agray'); i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  let running = true;
  const traffic = (async () => {
    while (running) {
      await Promise.all([demo.request('www.aliyundoc.com'), demo.request('www.aliyundoc.com'), demo.request('www.example.com')]);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  })();

  const pages = {
    groups: async (page) => page.goto('/'),
    group: async (page) => page.goto('/groups/shop'),
    'new-group': async (page) => page.goto('/new-group'),
    'new-lane': async (page) => page.goto('/groups/shop/new-lane'),
    lane: async (page) => page.goto('/groups/shop/lanes/gray'),
    traffic: async (page) => {
      await page.goto('/traffic');
      await page.waitForTimeout(5_000);
    },
    explain: async (page) => {
      await page.goto('/explain');
      await page.getByRole('textbox').nth(0).fill('www.example.com');
      await page.locator('form button[type=submit]').click();
      await page.locator('#result').waitFor();
    },
    history: async (page) => page.goto('/history'),
    document: async (page) => page.goto('/document'),
  };
  const take = async (name, file, { locale = 'en-US', colorScheme = 'light', viewport = DESKTOP, fullPage = true } = {}) => {
    const context = await browser.newContext({ baseURL: demo.consoleUrl, locale, colorScheme, viewport, reducedMotion: 'reduce' });
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && console.log(`${file}: ${message.text()}`));
    page.on('pageerror', (error) => console.log(`${file}: ${error}`));
    await pages[name](page);
    await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => {});
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(target, `${file}.png`), fullPage });
    await context.close();
  };

  if (folder !== undefined) {
    const only = process.argv.slice(3);
    for (const name of Object.keys(pages).filter((one) => only.length === 0 || only.includes(one))) {
      await take(name, `${name}-en-light`);
      await take(name, `${name}-zh-dark`, { locale: 'zh-CN', colorScheme: 'dark' });
      await take(name, `${name}-phone`, { viewport: PHONE });
    }
  } else {
    await take('group', 'group', { fullPage: false });
    await take('lane', 'lane', { fullPage: false, viewport: { width: 1280, height: 1100 } });
    await take('traffic', 'traffic-dark', { colorScheme: 'dark', fullPage: false });
    await take('group', 'group-zh', { locale: 'zh-CN', fullPage: false });
    await take('group', 'group-phone', { viewport: PHONE, fullPage: false });
  }
  running = false;
  await traffic;
} finally {
  await browser.close();
  await demo.stop();
}
