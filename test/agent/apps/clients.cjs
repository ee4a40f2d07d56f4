'use strict';
const http = require('node:http');
const { request, get } = http;

require('./clients.body.cjs')({ http, request, get, undici: require('undici'), undici6: require('undici6') });
