import http from 'node:http';
import { ByteCollector } from '@lane/core/model';
import type { AdminAddress } from './admin-address.js';

/** An answer that was not read, for it is larger than what may be read of one instance, or of all together. */
export class TooLargeError extends Error {}

/** How much may still be read, in bytes: of all answers together. */
export interface Budget {
  bytes: number;
}

/** How an instance is asked. */
export interface ReadOptions {
  readonly maxBytes: number;
  readonly budget: Budget;
  /** Ends it, and its connection. */
  readonly signal: AbortSignal;
}

/** Asks an instance for a text, and follows nowhere. Rejects with a {@link TooLargeError}, or with what was wrong. */
export function readText({ host, port }: AdminAddress, path: string, { maxBytes, budget, signal }: ReadOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host, port, path, agent: false, signal, headers: { accept: 'application/json' } }, (response) => {
      const refuse = (error: Error): void => {
        reject(error);
        response.destroy();
      };
      if (response.statusCode !== 200) {
        refuse(new Error(`it answers with ${response.statusCode}`));
        return;
      }
      // What says how long it is need not be begun.
      if (Number(response.headers['content-length'] ?? 0) > Math.min(maxBytes, budget.bytes)) {
        refuse(new TooLargeError('not read: too large'));
        return;
      }
      const bytes = new ByteCollector();
      response.on('data', (chunk: Buffer) => {
        budget.bytes -= chunk.length;
        if (bytes.length + chunk.length > maxBytes || budget.bytes < 0) refuse(new TooLargeError('not read: too large'));
        else bytes.add(chunk);
      });
      response.on('error', reject);
      response.on('end', () => resolve(bytes.text()));
      response.on('aborted', () => reject(new Error('its answer ends too early')));
    });
    // Without a listener Node ends the connection of whoever answers with 101, and says so to nobody.
    request.on('upgrade', (_, socket) => {
      reject(new Error('it answers with 101'));
      socket.destroy();
    });
    // Whatever else there may be: nobody waits for longer than there is time.
    signal.addEventListener('abort', () => reject(new Error('it does not answer in time')), { once: true });
    request.on('error', (error) => reject(signal.aborted ? new Error('it does not answer in time') : error));
  });
}
