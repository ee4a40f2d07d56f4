import http from 'node:http';

const TIMEOUT_MS = 2_000;
const MAX_BYTES = 2 * 1024 * 1024;

/** Asks an instance for JSON: at most 2 s and 2 MiB of it, and nothing is followed elsewhere. */
export function readJson(admin: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = http.get(`http://${admin}${path}`, { agent: false, headers: { accept: 'application/json' } }, (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        reject(new Error(`it answers with ${response.statusCode}`));
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_BYTES) response.destroy(new Error('its answer is too large'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch {
          reject(new Error('its answer is no JSON'));
        }
      });
    });
    const late = setTimeout(() => request.destroy(new Error('it does not answer in time')), TIMEOUT_MS);
    request.on('close', () => clearTimeout(late));
    request.on('error', reject);
  });
}
