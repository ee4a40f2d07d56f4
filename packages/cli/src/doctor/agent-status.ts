/** Requests the status of the agent in a process, from its admin port. */
import http from 'node:http';
import { json } from 'node:stream/consumers';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StatusReport } from '@lane/core/agent';

const TIMEOUT_MS = 3_000;

/** The answer, or why there is none. */
export type Asked = { readonly status: StatusReport } | { readonly problem: string };

/** Asks `host:port`. Never rejects. */
export async function askAgent(address: string): Promise<Asked> {
  try {
    const request = http.get(`http://${address}/status`, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
    // Without a listener for upgrades, Node silently ends a connection that answers with 101.
    const [response, upgraded] = (await Promise.race([once(request, 'response'), once(request, 'upgrade')])) as [IncomingMessage, Duplex?];
    if (response.statusCode !== 200) {
      response.destroy();
      upgraded?.destroy();
      return { problem: `${address} answers with ${response.statusCode}: no agent listens there` };
    }
    const status = (await json(response)) as Partial<StatusReport> | null;
    return typeof status?.pid === 'number' && Array.isArray(status.instrumentations)
      ? { status: status as StatusReport }
      : { problem: `${address} answers, but not as an agent` };
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError) return { problem: `${address} answers, but not as an agent` };
    return { problem: `nothing answers at ${address} (${name === 'AbortError' ? 'not in time' : (code ?? message)})` };
  }
}
