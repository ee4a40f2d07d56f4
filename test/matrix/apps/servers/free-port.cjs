'use strict';
const { createServer } = require('node:net');

/** Below the ports that systems give to those who ask for any, and above those of real Nacos servers; processes beside each other differ. */
const FIRST = 32_100;
const COUNT = 600;

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });

/** A port that was free a moment ago, for frameworks that do not accept port 0. */
exports.freePort = async () => {
  let port = FIRST + (process.pid % COUNT);
  while (!(await isFree(port))) port = FIRST + ((port - FIRST + 1) % COUNT);
  return port;
};
