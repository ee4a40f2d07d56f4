'use strict';
// Sets OpenTelemetry metrics up at once or later (argument), and reports what it collected on request.

const http = require('node:http');
const { metrics } = require('@opentelemetry/api');
const { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');

let reader;
function setUp() {
  reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    exportIntervalMillis: 3_600_000,
  });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
}
if (process.argv[2] === 'at once') setUp();
else setTimeout(setUp, 500);

const server = http.createServer(async (request, response) => {
  if (request.url === '/collect') {
    const { resourceMetrics } = reader ? await reader.collect() : { resourceMetrics: { scopeMetrics: [] } };
    const found = resourceMetrics.scopeMetrics.filter(({ scope }) => scope.name === 'lane').flatMap((scope) => scope.metrics);
    response.end(
      JSON.stringify(
        Object.fromEntries(
          found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.map(({ attributes, value }) => ({ ...attributes, value }))]),
        ),
      ),
    );
    return;
  }
  await (await fetch(process.env.PEER)).text();
  response.end();
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
