'use strict';
exports.start = async (name) => {
  const app = require(name)();
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
  app.addHook('preHandler', (request, reply, done) => done());
  app.post('/*', () => heard());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server.address().port;
};
