/** Local ports. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';

/** Starts a server on a free loopback port, and returns the port. */
export async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  return portOf(server);
}

/** The port on which a server listens. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Below the ports that systems hand out by themselves, and below those of real Nacos servers (test/servers/real-nacos.ts). */
const FIRST = 10_000;
const COUNT = 10_000;
/** In that range, fetch and browsers refuse this port alone (WHATWG Fetch, "bad port"). */
const REFUSED = 10_080;

/** What keeps ports from other test processes: the UDP ports of the same numbers, for as long as this process lives. */
const reservations = new Set<Socket>();

/**
 * A loopback port on which nothing listens, and on which nothing will but the caller: neither the system nor another test process gets it, not even while
 * the caller's server restarts. `offsets`: ports that far above it are the caller's, too.
 */
export async function freePort(...offsets: readonly number[]): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const taken: Socket[] = [];
    if (port === REFUSED) continue;
    for (const offset of [0, ...offsets]) {
      const reservation = await reserve(port + offset);
      if (reservation === undefined) break;
      taken.push(reservation);
    }
    if (taken.length > offsets.length) {
      for (const reservation of taken) reservations.add(reservation);
      return port;
    }
    for (const reservation of taken) reservation.close();
  }
}

/** Takes the UDP port of this number if nobody has it and nothing listens on the TCP port. */
async function reserve(port: number): Promise<Socket | undefined> {
  const socket = createSocket('udp4').unref();
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(socket, 'listening');
    const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}
