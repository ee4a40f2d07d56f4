// An entry with the Express plugin: the agent leaves inbound requests to the plugin, and only forwards the tag.
const http = require('node:http');
const { lane } = require('@lane/express-plugin');
const { connectNacos } = require('@lane/nacos-registry');
const { watchLaneGroups } = require('@lane/storage');
const express = require('express');

let rules;
watchLaneGroups(connectNacos({ server: process.env.LANE_NACOS_SERVER }), { onRules: (inForce) => (rules = inForce) });

const app = express();
app.use(lane({ service: 'entry-express', rules: () => rules }));
app.get('/', (_request, response) => {
  http
    .get(`http://${process.env.NEXT}/`, (answer) => answer.pipe(response.status(answer.statusCode)))
    .on('error', (error) => response.status(502).send(error.code));
});
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// A connection that it closes as idle just as a client reuses it would count as a failure of the change.
server.keepAliveTimeout = 0;
