const schemes = ['http', 'https'];

export default {
  'fetch(string)': { schemes, does: ['redirect'], call: async (url, headers) => (await fetch(url, { headers })).text() },
  'fetch(Request)': { schemes, does: ['redirect'], call: async (url, headers) => (await fetch(new Request(new URL(url), { headers }))).text() },
  'fetch, headers set': {
    schemes,
    async call(url, headers) {
      const own = new Headers();
      for (const [name, value] of Object.entries(headers)) own.append(name, value);
      return (await fetch(url, { headers: own, method: 'POST', body: 'body' })).text();
    },
  },
};
