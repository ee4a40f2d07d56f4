import ky from 'ky';

const schemes = ['http', 'https'];

export default {
  ky: {
    schemes,
    does: ['redirect', 'retry'],
    call: (url, headers) => ky(url, { headers, retry: { limit: 2, statusCodes: [503], delay: () => 1 } }).text(),
  },
  'ky.create': { schemes, call: (url, headers) => ky.create({ headers, hooks: {} }).get(url).text() },
};
