'use strict';
// An app that reads the request body when it arrives, then calls its peer in the form that the path names.

module.exports = function serve(imports) {
  const forms = require('./forms.cjs')(imports);
  const server = imports.http.createServer((request, response) => {
    process.send({ kind: 'request' });
    if (request.url === '/forms') {
      response.end(
        JSON.stringify(Object.entries(forms).map(([name, { own, stale, never }]) => ({ name, own, stale: stale === true, never: never === true }))),
      );
      return;
    }
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', async () => {
      const { pathname, searchParams } = new URL(request.url, 'http://app');
      try {
        const { call, tls } = forms[decodeURIComponent(pathname.slice(1))];
        response.end(await call(tls ? process.env.PEER_TLS : process.env.PEER, searchParams.get('id')));
      } catch (error) {
        response.writeHead(500).end(String(error.stack));
      }
    });
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  process.on('disconnect', () => process.exit());
};
