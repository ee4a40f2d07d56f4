'use strict';
/** The first message of an EventSource, whose stream it then closes; rejects if an error closes the stream. */
exports.firstMessage = (source) =>
  new Promise((resolve, reject) => {
    source.onmessage = ({ data }) => {
      source.close();
      resolve(data);
    };
    source.onerror = (event) => {
      if (source.readyState === 2) reject(new Error(`closed: ${event.message ?? event.code}`));
    };
  });
