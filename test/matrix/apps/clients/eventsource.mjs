import { EventSource } from 'eventsource';
import { firstMessage } from './first-message.cjs';

export default {
  EventSource: {
    schemes: ['http', 'https'],
    does: ['redirect', 'retry'],
    call: (url, headers) =>
      firstMessage(new EventSource(url, { fetch: (to, options) => fetch(to, { ...options, headers: { ...options.headers, ...headers } }) })),
  },
};
