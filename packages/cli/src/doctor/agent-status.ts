/** Asks the agent in a process what it knows, at its admin port. */
import http from 'node:http';
import { json } from 'node:stream/consumers';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { StatusReport } from '@lane/core/agent';

const TIMEOUT_MS = 3_000;

/** Its answer, or why there is none. */
export type Asked = { readonly status: StatusReport } | { readonly problem: string };

/** Asks `host:port`. Never rejects. */
export async function askAgent(address: string): Promise<Asked> {
  try {
    const request = http.get(`http://${address}/status`, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
    // Without a listener Node ends the connection of whoever answers with 101, and says so to nobody.
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      request.emit('error', new Error('it answers with 101'));
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) {
      response.destroy();
      return { problem: `${address} answers with ${response.statusCode}: no agent listens there` };
    }
    const status = (await json(response)) as Partial<StatusReport> | null;
    return typeof status?.pid === 'number' && Array.isArray(status.instrumentations)
      ? { status: status as StatusReport }
      : { problem: `${address} answers, but no agent does` };
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError) return { problem: `${address} answers, but no agent does` };
    return { problem: `nothing answers at ${address} (${name === 'AbortError' ? 'not in time' : (code ?? message)})` };
  }
}
