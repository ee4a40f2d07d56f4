/** When a connection of HTTP/2 ends: idle for too long, or dead. */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';

/** How often it is looked at. A client that answers a PING in that time, or sends anything, is there. */
const LOOK_MS = 30_000;

/**
 * Ends a session that has had no stream for `idleMs`, and one whose client answers nothing any more: it is gone, or nghttp2 has ended the
 * session for a fault in a frame, whereupon Node 20 neither closes the connection nor reads from it. Its streams end with it.
 */
export function watchSession(session: ServerHttp2Session, idleMs: number): void {
  const open = new Set<ServerHttp2Stream>();
  let idleSince = performance.now();
  session.on('stream', (stream) => {
    open.add(stream);
    stream.once('close', () => {
      open.delete(stream);
      idleSince = performance.now();
    });
  });
  let read = -1;
  let asked = false;
  const look = setInterval(
    () => {
      if (open.size === 0 && performance.now() - idleSince >= idleMs) {
        // Half a head is a stream to nghttp2, for whose end it would wait.
        if (session.closed) session.destroy();
        else session.close();
      }
      if (session.destroyed) return;
      const { bytesRead } = session.socket;
      if (bytesRead !== read) asked = false;
      else if (asked) session.destroy();
      // False where as many are under way as may be.
      else asked = session.ping(() => {});
      read = bytesRead;
    },
    Math.min(LOOK_MS, idleMs),
  ).unref();
  session.once('close', () => {
    clearInterval(look);
    for (const stream of open) stream.destroy();
  });
}
