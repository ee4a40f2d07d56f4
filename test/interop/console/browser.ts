/** Debian's Chromium, driven by playwright-core: a fresh profile for each browser, without telemetry. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why there is no browser here; undefined if there is one. */
export function missingBrowser(): string | undefined {
  if (!CANDIDATES.some((file) => existsSync(file))) return 'chromium is not installed: apt-get install chromium fonts-wqy-zenhei';
  return undefined;
}

/** Starts a browser. Scroll bars take room, or overlay the content as on phones. */
export function startBrowser({ scrollBars = false } = {}): Promise<Browser> {
  const executablePath = CANDIDATES.find((file) => existsSync(file));
  if (executablePath === undefined) throw new Error(missingBrowser());
  return chromium.launch({ executablePath, headless: true, args: FLAGS, ...(scrollBars ? { ignoreDefaultArgs: ['--hide-scrollbars'] } : {}) });
}

/** Whether the Chinese pages can be rendered. */
export function hasChineseFont(): boolean {
  try {
    return execFileSync('fc-list', [':lang=zh'], { encoding: 'utf8' }).trim() !== '';
  } catch {
    return false;
  }
}

/** How a visitor sees the pages. */
export interface Look extends Pick<BrowserContextOptions, 'viewport' | 'locale' | 'colorScheme' | 'reducedMotion'> {}

export const DESKTOP = { width: 1280, height: 860 } as const;
/** The width of the narrowest phones. */
export const PHONE = { width: 390, height: 844 } as const;

/** Opens a separate window. */
export async function openWindow(browser: Browser, look: Look = {}): Promise<{ context: BrowserContext; page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-US', colorScheme: 'light', reducedMotion: 'reduce', ...look });
  const page = await context.newPage();
  /** The page's problems: errors, and violations of its policy. */
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  return { context, page, problems };
}
