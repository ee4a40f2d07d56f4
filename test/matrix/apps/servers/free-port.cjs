'use strict';
const { createServer } = require('node:net');
/** For frameworks that take no port 0: one that was free a moment ago. */
exports.freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
