/**
 * The vitest globalSetup that shares real Nacos servers between the test files and projects of a run. It starts servers on demand:
 * it answers `POST /<version>` on a loopback port with the address of that server, and starts it at the first such request, so a run
 * that needs no real server waits for none. Used by nacosServers() in index.ts.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node' with { 'resolution-mode': 'import' };
import { everyNacosVersion, type RealNacos, realNacosAvailability, type RealNacosVersion, realNacosVersions, startRealNacos } from './real-nacos.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL where global-setup.ts hands out the shared real servers. */
    realNacosUrl?: string;
  }
}

interface Broker {
  url: string;
  close(): Promise<void>;
  users: number;
}

// Each project of a run loads this module again, in the same process, and must find the same servers.
const key = Symbol.for('lane.test.real-nacos');
const shared = globalThis as { [key]?: Promise<Broker> };

/** Gives the project's test files the broker's address; the last project to end stops the servers. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared[key] ??= startBroker();
  const broker = await shared[key];
  broker.users += 1;
  project.provide('realNacosUrl', broker.url);
  return async () => {
    broker.users -= 1;
    if (broker.users > 0) return;
    delete shared[key];
    await broker.close();
  };
}

async function startBroker(): Promise<Broker> {
  const servers = new Map<RealNacosVersion, Promise<RealNacos>>();
  const log = (line: string): void => console.error(line);
  const { available, reason } = realNacosAvailability();
  // The reporter does not show skipped tests.
  if (!available) log(`Skipped: tests on real Nacos ${realNacosVersions.join(' and ')}: ${reason}`);

  const http = createServer((request, response) => {
    const version = everyNacosVersion.find((one) => request.url === `/${one}`);
    if (version === undefined) {
      response.writeHead(404).end();
      return;
    }
    let server = servers.get(version);
    if (server === undefined) {
      server = startRealNacos({ version, log });
      servers.set(version, server);
    }
    server.then(
      ({ host, port, address }) => response.end(JSON.stringify({ host, port, address })),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));

  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    users: 0,
    async close() {
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
      await Promise.all(
        [...servers.values()].map((server) =>
          server.then(
            (running) => running.stop(),
            () => {},
          ),
        ),
      );
    },
  };
}
