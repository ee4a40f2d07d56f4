import { createServer } from 'node:net';

/** A port that was free a moment ago, for programs that must be told one. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
