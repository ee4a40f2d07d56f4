'use strict';
const { Bootstrap } = require('@midwayjs/bootstrap');
const { once } = require('node:events');
const { Configuration, Controller, MidwayFrameworkService, Post } = require('@midwayjs/core');
const koa = require('@midwayjs/koa');
const { freePort } = require('./free-port.cjs');

// Applies decorators by hand, because this file is not compiled.
class HomeController {
  any() {
    return heard();
  }
}
Post('/*')(HomeController.prototype, 'any', Object.getOwnPropertyDescriptor(HomeController.prototype, 'any'));
Controller('/')(HomeController);

class ShopConfiguration {}
Configuration({ imports: [koa] })(ShopConfiguration);

exports.start = async () => {
  const port = await freePort();
  await Bootstrap.configure({
    appDir: __dirname,
    baseDir: __dirname,
    imports: [ShopConfiguration, HomeController],
    moduleDetector: false,
    globalConfig: {
      keys: 'shop',
      koa: { port, hostname: '127.0.0.1' },
      midwayLogger: { default: { transports: { file: false, error: false, console: false } } },
    },
  }).run();
  // `run` does not await it.
  const frameworks = await Bootstrap.getApplicationContext().getAsync(MidwayFrameworkService);
  const server = frameworks.getMainFramework().getServer();
  if (!server.listening) await once(server, 'listening');
  return port;
};
