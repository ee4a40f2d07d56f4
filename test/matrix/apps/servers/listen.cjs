'use strict';
/** The port on which a server listens, once it does. */
exports.listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
exports.textOf = async (stream) => {
  let body = '';
  for await (const chunk of stream) body += chunk;
  return body;
};
