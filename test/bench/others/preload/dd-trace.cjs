'use strict';
// Datadog's agent, tracing only; spans go to a port where nothing listens.
require('dd-trace').init({
  url: 'http://127.0.0.1:9',
  startupLogs: false,
  runtimeMetrics: false,
  telemetry: { enabled: false },
  remoteConfig: { pollInterval: 3_600 },
});
