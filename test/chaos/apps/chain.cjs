// Calls the next service by name, and answers with its own name and that service's answer. It knows nothing of lanes.
const http = require('node:http');

const { NAME, NEXT } = process.env;
const agent = new http.Agent({ keepAlive: true });

function ask(service) {
  return new Promise((resolve, reject) => {
    http
      .get(`http://${service}/`, { agent }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(body)).on('error', reject);
      })
      .on('error', reject);
  });
}

const server = http.createServer((_request, response) => {
  if (NEXT === undefined) return void response.end(NAME);
  ask(NEXT).then(
    (answer) => response.end(`${NAME} ${answer}`),
    (error) => response.writeHead(502).end(`${NAME} ${error.code}`),
  );
});
// A connection that it closes as idle just as a client reuses it would count as a failure of the change.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
