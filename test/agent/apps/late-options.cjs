'use strict';
// Gets options as other programs set them: PM2's cluster mode, as its container unpacks them (lib/ProcessContainer.js), and dotenv, which
// sets only unset ones. Reports the lane of its background work.
const { pm2_env: packed } = process.env;
if (packed !== undefined) Object.assign(process.env, JSON.parse(packed));
for (const [name, value] of Object.entries(JSON.parse(process.env.DOTENV ?? '{}'))) process.env[name] ??= value;
const { currentLane } = require('@lane/core');
const server = require('node:http').createServer((_, response) => response.end(currentLane() ?? 'base'));
server.listen(0, '127.0.0.1', () => setImmediate(() => setImmediate(() => process.send({ port: server.address().port }))));
process.on('disconnect', () => process.exit());
