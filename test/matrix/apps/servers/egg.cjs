'use strict';
const { mkdirSync, mkdtempSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { listen } = require('./listen.cjs');

// Egg writes logs beside the app, so use a folder where that does no harm.
exports.start = async () => {
  const baseDir = mkdtempSync(join(tmpdir(), 'lane-egg-'));
  const files = {
    'package.json': '{ "name": "shop", "version": "1.0.0" }',
    'config/config.default.js': `exports.keys = 'shop'; exports.security = { csrf: { enable: false } };`,
    'app/router.js': `module.exports = (app) => app.router.post(/.*/, app.controller.home.any);`,
    'app/controller/home.js': `const { Controller } = require('egg');
      module.exports = class extends Controller { async any() { this.ctx.body = await this.ctx.service.listener.heard(); } };`,
    'app/service/listener.js': `const { Service } = require('egg'); module.exports = class extends Service { heard() { return heard(); } };`,
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(baseDir, name)), { recursive: true });
    writeFileSync(join(baseDir, name), content.replaceAll(`require('egg')`, `require(${JSON.stringify(require.resolve('egg'))})`));
  }
  const app = await require('egg').start({ baseDir, mode: 'single', framework: dirname(require.resolve('egg/package.json')) });
  return listen(http.createServer(app.callback()));
};
