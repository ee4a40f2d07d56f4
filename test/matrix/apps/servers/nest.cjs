'use strict';
require('reflect-metadata');
const { Controller, Injectable, Module, Post } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

// Applies decorators by hand, because this file is not compiled.
class Listener {
  heard() {
    return heard();
  }
}
Injectable()(Listener);

class ShopController {
  constructor(listener) {
    this.listener = listener;
  }
  any() {
    return this.listener.heard();
  }
}
Reflect.defineMetadata('design:paramtypes', [Listener], ShopController);
Post(['json', 'urlencoded', 'text'])(ShopController.prototype, 'any', Object.getOwnPropertyDescriptor(ShopController.prototype, 'any'));
Controller()(ShopController);

class ShopModule {}
Module({ controllers: [ShopController], providers: [Listener] })(ShopModule);

exports.start = async (platform) => {
  const adapter = platform === 'fastify' ? new (require('@nestjs/platform-fastify').FastifyAdapter)() : undefined;
  const app = await (adapter === undefined
    ? NestFactory.create(ShopModule, { logger: false })
    : NestFactory.create(ShopModule, adapter, { logger: false }));
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer().address().port;
};
