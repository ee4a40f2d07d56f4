/** A's workloads that need libraries: each returns a server that answers by calling B. */
'use strict';
const http = require('node:http');

const port = Number(process.env.B_PORT);
const origin = `http://127.0.0.1:${port}`;

const agent = () => new http.Agent({ keepAlive: true });

exports.WORKLOADS = {
  express() {
    const app = require('express')();
    const client = require('axios').create({ httpAgent: agent() });
    app.get('/api/cart', async (request, response) => {
      const { data } = await client.get(`${origin}/b`);
      response.json({ b: data, currency: request.query.currency });
    });
    return http.createServer(app);
  },
  async fastify() {
    const app = require('fastify')();
    const undici = require('undici');
    const dispatcher = new undici.Agent({ connections: 16 });
    app.get('/api/cart', async (request) => {
      const { body } = await undici.request(`${origin}/b`, { dispatcher });
      return { b: await body.text(), currency: request.query.currency };
    });
    await app.ready();
    return app.server;
  },
  async nestjs() {
    require('reflect-metadata');
    const { Controller, Get, Module } = require('@nestjs/common');
    const { NestFactory } = require('@nestjs/core');
    const client = require('axios').create({ httpAgent: agent() });
    class Carts {
      async cart() {
        const { data } = await client.get(`${origin}/b`);
        return { b: data };
      }
    }
    Get('api/cart')(Carts.prototype, 'cart', Object.getOwnPropertyDescriptor(Carts.prototype, 'cart'));
    Controller()(Carts);
    class App {}
    Module({ controllers: [Carts] })(App);
    const app = await NestFactory.create(App, { logger: false });
    await app.init();
    return app.getHttpServer();
  },
  grpc() {
    const { Client, credentials } = require('@grpc/grpc-js');
    const client = new Client(`127.0.0.1:${process.env.B_GRPC_PORT}`, credentials.createInsecure());
    const asIs = (bytes) => bytes;
    const message = Buffer.from('a message');
    return http.createServer((request, response) => {
      client.makeUnaryRequest('/b.B/Ask', asIs, asIs, message, (error, answer) => {
        response.statusCode = error ? 502 : 200;
        response.end(error ? error.message : answer);
      });
    });
  },
  http2() {
    const session = require('node:http2').connect(`http://127.0.0.1:${process.env.B_HTTP2_PORT}`);
    return http.createServer((request, response) => {
      session.request({ ':path': '/b' }).pipe(response);
    });
  },
  upload() {
    const keptAlive = agent();
    return http.createServer((request, response) => {
      const outgoing = http.request({ host: '127.0.0.1', port, path: '/b', method: 'POST', agent: keptAlive }, (answer) => answer.pipe(response));
      request.pipe(outgoing);
    });
  },
  download() {
    const keptAlive = agent();
    return http.createServer((request, response) => {
      http.get({ host: '127.0.0.1', port, path: '/large', agent: keptAlive }, (answer) => answer.pipe(response));
    });
  },
  websocket() {
    const { WebSocketServer } = require('ws');
    const server = http.createServer();
    new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    return server;
  },
};
