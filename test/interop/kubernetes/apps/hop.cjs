/** A hop of a call chain that knows nothing of lanes: `node hop.cjs NAME HOST [URL]` answers with its name and the next hop's answer. */
const http = require('node:http');

const [name, host, next] = process.argv.slice(2);
const keepAlive = new http.Agent({ keepAlive: true });

const byHttp = (url) =>
  new Promise((resolve, reject) => {
    http
      .get(url, { agent: keepAlive }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });
const byFetch = async (url) => (await fetch(url)).text();

const server = http.createServer(async (request, response) => {
  const { searchParams } = new URL(request.url, 'http://hop');
  if (next === undefined) return response.end(`${name}(${[request.headers.host, request.headers.baggage].filter(Boolean).join(' ')})`);
  const url = searchParams.get('url') ?? next;
  try {
    response.end(`${name} -> ${await (searchParams.get('by') === 'fetch' ? byFetch : byHttp)(url)}`);
  } catch (error) {
    response.end(`${name} -> ${(error.cause ?? error).code}`);
  }
});
server.listen(0, host, () => process.send({ port: server.address().port }));
