/** The pages: files of the build, and the one page for all other addresses. They hold no data, so they need no sign-in. */
import { ConsoleError } from '../console-error.js';
import { languageOf, type Pages } from '../pages.js';
import { pagePolicy } from '../security-headers.js';
import type { Api } from './context.js';

/** Routes of the pages, for requests that match no other route. */
export function pageRoutes(api: Api, pages: Pages): void {
  const options = { config: { access: 'anyone' } } as const;

  api.get<{ Params: { '*': string } }>('/*', options, async (request, reply) => {
    const path = `/${request.params['*']}`;
    const page = await pages.file(path, String(request.headers['accept-encoding'] ?? ''));
    if (page === undefined) {
      if (path.startsWith('/assets/')) throw new ConsoleError('ELANE_NOT_FOUND', 'there is no such file');
      const { html, nonce } = pages.index(languageOf(request.headers['accept-language']));
      return reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', pagePolicy(nonce)).send(html);
    }
    void reply
      .header('content-type', page.type)
      .header('cache-control', page.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
      .header('vary', 'accept-encoding');
    if (page.encoding !== undefined) void reply.header('content-encoding', page.encoding);
    return reply.send(page.body);
  });
}
