'use strict';
// The embedded Nacos in its own process: `nacos-sdk-rust-binding-node` blocks the thread until it is connected, and a server on that thread would never answer.
const { startEmbeddedNacos } = require('@lane/embedded-nacos');

process.on('disconnect', () => process.exit());
startEmbeddedNacos(JSON.parse(process.argv[2])).then(
  (nacos) => {
    // Answers the waiting clients: else clients that are being closed would fail in the background.
    process.on('SIGTERM', () => nacos.close().then(() => process.exit()));
    process.send({ port: nacos.port });
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
