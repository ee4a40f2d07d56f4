'use strict';
// The embedded Nacos in a process of its own: `nacos-sdk-rust-binding-node` blocks the thread until it is connected, and a server on that thread would never answer.
const { startEmbeddedNacos } = require('@lane/embedded-nacos');

process.on('disconnect', () => process.exit());
startEmbeddedNacos(JSON.parse(process.argv[2])).then(
  (nacos) => {
    // Whoever waits is answered: clients that are closed in the same moment would fail in the background.
    process.on('SIGTERM', () => nacos.close().then(() => process.exit()));
    process.send({ port: nacos.port });
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
