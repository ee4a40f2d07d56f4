import http from 'node:http';
import { ByteCollector } from '@lane/core/model';
import type { AdminAddress } from './admin-address.js';

/** An answer that was not read because it exceeds the limit for one instance, or for all together. */
export class TooLargeError extends Error {}

/** Bytes that may still be read, of all answers together. */
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

/** Requests a text from an instance, without following redirects. Rejects with a {@link TooLargeError}, or with the cause. */
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
      // If the length is declared, there is no need to start reading.
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
    // Without a listener, Node silently ends a connection that answers with 101.
    request.on('upgrade', (_, socket) => {
      reject(new Error('it answers with 101'));
      socket.destroy();
    });
    // In any case, the wait ends with the time limit.
    signal.addEventListener('abort', () => reject(new Error('it does not answer in time')), { once: true });
    request.on('error', (error) => reject(signal.aborted ? new Error('it does not answer in time') : error));
  });
}
