/** Ends HTTP/2 connections that are idle for too long, or dead. */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';

/** Interval of the check. A client that answers a PING in that time, or sends anything, is alive. */
const LOOK_MS = 30_000;

/**
 * Ends a session that has had no stream for `idleMs`, and one whose client no longer answers: it is gone, or nghttp2 has ended the
 * session for a faulty frame, after which Node 20 neither closes the connection nor reads from it. Its streams end with it.
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
        // For nghttp2, half a head is a stream, whose end it would wait for.
        if (session.closed) session.destroy();
        else session.close();
      }
      if (session.destroyed) return;
      const { bytesRead } = session.socket;
      if (bytesRead !== read) asked = false;
      else if (asked) session.destroy();
      // False if the maximum is in flight.
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
