'use strict';
const EventSource = require('eventsource2');
const { firstMessage } = require('./first-message.cjs');

module.exports = {
  EventSource: {
    schemes: ['http', 'https'],
    does: ['redirect', 'retry'],
    call: (url, headers) => firstMessage(new EventSource(url, { headers })),
  },
};
