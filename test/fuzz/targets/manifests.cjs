/** Kubernetes manifests: gives routes and problems with their lines, never throws; the routes compile. */
'use strict';
const assert = require('node:assert');
const { ingressRoutes } = require('@lane/gateway');
const { compileRoutes, findRoute } = require('../../../packages/gateway/dist/decide/routes.js');

exports.fuzz = (data) => {
  const { routes, problems } = ingressRoutes([{ name: 'fuzz.yaml', text: data.toString('utf8') }], { mend: true });
  for (const { line, message } of problems) assert.ok(line >= 1 && message !== '', 'a problem without its place');
  findRoute(compileRoutes(routes), 'www.example.com', '/a');
};
