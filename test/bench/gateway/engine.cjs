/** An entry in front of one backend, with the named engine. Reports its port, and on request its CPU time. */
'use strict';
const http = require('node:http');

const [, , engine, backendText, portText = '0'] = process.argv;
const backend = Number(backendText);
const ownPort = Number(portText);

/** Drops the connection's headers: the minimum that a proxy must do. */
function headersOf(headers) {
  const { connection: _connection, 'keep-alive': _keepAlive, 'transfer-encoding': _coding, ...rest } = headers;
  return rest;
}

const ENGINES = {
  'a pipe of node:http': () => {
    const agent = new http.Agent({ keepAlive: true });
    return http.createServer((request, response) => {
      const { method, url, headers } = request;
      const outgoing = http.request({ host: '127.0.0.1', port: backend, method, path: url, headers, agent }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      request.pipe(outgoing);
    });
  },
  undici: () => {
    const { Pool } = require('undici');
    const pool = new Pool(`http://127.0.0.1:${backend}`);
    return http.createServer((request, response) => {
      const { method, url, headers } = request;
      const body = headers['content-length'] === undefined && headers['transfer-encoding'] === undefined ? null : request;
      pool.stream({ method, path: url, headers: headersOf(headers), body }, ({ statusCode, headers: answered }) => {
        response.writeHead(statusCode, headersOf(answered));
        return response;
      });
    });
  },
  '@fastify/reply-from': async () => {
    const fastify = require('fastify')();
    fastify.register(require('@fastify/reply-from'), { base: `http://127.0.0.1:${backend}` });
    // Forwards bodies without parsing them.
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    fastify.all('/*', (_request, reply) => reply.from());
    await fastify.ready();
    return { listen: (port, host) => (void fastify.listen({ port, host }), fastify.server) };
  },
  httpxy: async () => {
    const { createProxyServer } = await import('httpxy');
    const proxy = createProxyServer({ target: `http://127.0.0.1:${backend}`, agent: new http.Agent({ keepAlive: true }) });
    return http.createServer((request, response) => void proxy.web(request, response));
  },
};

async function main() {
  let port;
  if (engine === 'lane') {
    const { startGateway } = require('@lane/gateway');
    const { registryOfOne } = require('../../servers/fixed-registry.cjs');
    const registry = registryOfOne(backend);
    ({ port } = await startGateway({ port: 0, registry, entry: 'hosts', routes: [{ host: '*', service: 'web' }] }));
  } else {
    const server = (await ENGINES[engine]()).listen(ownPort, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    ({ port } = server.address());
  }
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send({ cpu: user + system });
  });
  process.once('disconnect', () => process.exit());
  process.send({ port });
}

void main();
