'use strict';
const Hapi = require('@hapi/hapi');

exports.start = async () => {
  const server = Hapi.server({ port: 0, host: '127.0.0.1' });
  server.route({ method: 'POST', path: '/{path*}', handler: () => heard() });
  await server.start();
  return server.info.port;
};
