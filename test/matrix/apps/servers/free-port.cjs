'use strict';
const { createServer } = require('node:net');
/** A port that was free a moment ago, for frameworks that do not accept port 0. */
exports.freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
