'use strict';
// Elastic's agent, context propagation only: records and sends nothing.
require('elastic-apm-node').start({ serviceName: 'a', contextPropagationOnly: true, logLevel: 'off', centralConfig: false, metricsInterval: '0s' });
