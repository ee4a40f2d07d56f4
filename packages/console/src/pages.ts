/**
 * The built pages, read once at the start: no request can make the console serve any other file.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { ConsoleError } from './console-error.js';

/** A file as sent. */
export interface Page {
  readonly type: string;
  readonly body: Buffer;
  readonly encoding: 'br' | 'gzip' | undefined;
  /** Its name contains a hash of its content. */
  readonly isImmutable: boolean;
}

/** The pages of a build. */
export interface Pages {
  /** The file of a path, compressed if the client accepts it; undefined if there is none. */
  file(path: string, acceptEncoding: string): Promise<Page | undefined>;
  /** The page for all URLs of the console. `nonce` is for its styles. */
  index(language: string): { readonly html: string; readonly nonce: string };
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};
const COMPRESSED: readonly string[] = ['.js', '.css', '.svg', '.json', '.txt'];

const compressors = {
  br: (body: Buffer) => promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: promisify(gzip) as (body: Buffer) => Promise<Buffer>,
} as const;

/** Reads the pages of a build. Throws if there is none. */
export function readPages(folder: string): Pages {
  if (!existsSync(join(folder, 'index.html'))) {
    throw new ConsoleError('ELANE_NOT_BUILT', 'the pages of the console are not built: run `npm run build` in the repository');
  }
  const template = readFileSync(join(folder, 'index.html'), 'utf8');
  const files = new Map<string, Buffer>(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'index.html')
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [`/${relative(folder, path).split(sep).join('/')}`, readFileSync(path)] as const;
      }),
  );
  /** Compressed once, at the first request. */
  const compressed = new Map<string, Promise<Buffer>>();

  return {
    async file(path, acceptEncoding) {
      const body = files.get(path);
      if (body === undefined) return undefined;
      const extension = extname(path);
      const encoding = COMPRESSED.includes(extension) ? (['br', 'gzip'] as const).find((name) => accepts(acceptEncoding, name)) : undefined;
      const page = { type: TYPES[extension] ?? 'application/octet-stream', isImmutable: path.startsWith('/assets/') };
      if (encoding === undefined) return { ...page, body, encoding };
      const key = `${encoding} ${path}`;
      let ready = compressed.get(key);
      if (ready === undefined) compressed.set(key, (ready = compressors[encoding](body)));
      return { ...page, body: await ready, encoding };
    },
    index(language) {
      const nonce = randomBytes(18).toString('base64');
      return { html: template.replaceAll('%NONCE%', nonce).replace('<html lang="en"', `<html lang="${language}"`), nonce };
    },
  };
}

function accepts(header: string, encoding: string): boolean {
  return header.split(',').some((part) => {
    const [name = '', ...parameters] = part.trim().split(';');
    return name === encoding && !parameters.some((parameter) => /^\s*q=0(\.0*)?$/.test(parameter));
  });
}

/** The languages of the pages. */
export const LANGUAGES = ['en', 'zh'] as const;

/** The preferred language of an Accept-Language header that the pages have, else English. */
export function languageOf(acceptLanguage: string | undefined): (typeof LANGUAGES)[number] {
  const wanted = (acceptLanguage ?? '')
    .split(',')
    .map((part) => {
      const [range = '', ...parameters] = part.trim().split(';');
      const quality = parameters.map((parameter) => /^\s*q=([\d.]+)$/.exec(parameter)?.[1]).find((found) => found !== undefined);
      return { language: range.toLowerCase().split('-')[0] ?? '', quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { language } of wanted) {
    const found = LANGUAGES.find((one) => one === language);
    if (found !== undefined) return found;
  }
  return 'en';
}
