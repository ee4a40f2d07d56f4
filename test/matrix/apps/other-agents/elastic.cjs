'use strict';
require('elastic-apm-node').start({
  serviceName: 'shop',
  disableSend: true,
  logLevel: 'off',
  centralConfig: false,
  cloudProvider: 'none',
  metricsInterval: '0s',
});
