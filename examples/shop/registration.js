'use strict';

const { NacosNamingClient } = require('nacos');

const RETRY_MS = 3000;

/** A naming client for the server in NACOS_SERVER. */
function createNamingClient() {
  const logger = { ...console, debug() {}, info() {}, log() {} };
  return new NacosNamingClient({
    logger,
    serverList: process.env.NACOS_SERVER ?? '127.0.0.1:8848',
    namespace: process.env.NACOS_NAMESPACE ?? 'public',
    username: process.env.NACOS_USERNAME,
    password: process.env.NACOS_PASSWORD,
  });
}

/** Registers this process, and retries while Nacos is down; the service serves in the meantime. */
async function register(client, service, instance, isStopping) {
  for (;;) {
    try {
      await client.ready();
      await client.registerInstance(service, instance);
      console.log(`${service} registered as ${instance.ip}:${instance.port}`);
      return;
    } catch (error) {
      if (isStopping()) return;
      console.error(`${service} could not register, retrying: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/**
 * Serves an Express app, registers it under its service name, and deregisters it on SIGTERM and SIGINT.
 * PORT: 0 or absent takes a free one. HOST: the address to listen on and to register.
 */
function serve(app, service, client) {
  const host = process.env.HOST ?? '127.0.0.1';
  const server = app.listen(Number(process.env.PORT ?? 0), host);
  // Longer than callers keep idle connections: else a caller may send a request just as we close its connection.
  server.keepAliveTimeout = 65_000;
  let stopping = false;

  server.on('listening', () => {
    const instance = {
      ip: host,
      port: server.address().port,
      metadata: {
        // How soon Nacos marks a crashed instance unhealthy, and removes it.
        'preserved.heart.beat.interval': process.env.BEAT_INTERVAL_MS ?? '5000',
        'preserved.heart.beat.timeout': process.env.BEAT_TIMEOUT_MS ?? '15000',
        'preserved.ip.delete.timeout': process.env.DELETE_TIMEOUT_MS ?? '30000',
      },
    };
    app.locals.self = `${instance.ip}:${instance.port}`;
    void register(client, service, instance, () => stopping);

    const stop = async () => {
      if (stopping) process.exit(1);
      stopping = true;
      await client.deregisterInstance(service, instance).catch(() => {});
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  server.on('error', (error) => {
    console.error(`${service} cannot listen on ${host}:${process.env.PORT ?? 0}: ${error.message}`);
    process.exit(1);
  });
}

module.exports = { createNamingClient, serve };
