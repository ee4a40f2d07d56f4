'use strict';
const { Client, Pool, Query } = require('pg');
const { calledBack } = require('./called-back.cjs');

/** Streams the rows of a query, two at a time. */
const ROWS = 'select generate_series(1, 5)';

const cursors = (pool) => {
  const Cursor = require('pg-cursor');
  const QueryStream = require('pg-query-stream');
  const withClient = async (work) => {
    const connection = await pool.connect();
    try {
      await work(connection);
    } finally {
      connection.release();
    }
  };
  return {
    'read, callback': (see) =>
      withClient(async (connection) => {
        const cursor = connection.query(new Cursor(ROWS));
        await calledBack((done) => cursor.read(2, (error) => (see('rows'), done(error))));
        await calledBack((done) => cursor.close((error) => (see('closed'), done(error))));
      }),
    read: (see) =>
      withClient(async (connection) => {
        const cursor = connection.query(new Cursor(ROWS));
        await cursor.read(2);
        see('rows');
        await cursor.close();
      }),
    'a stream': (see) =>
      withClient(
        (connection) =>
          new Promise((resolve, reject) => {
            const stream = connection.query(new QueryStream(ROWS, [], { highWaterMark: 2 }));
            stream.on('data', () => see('row'));
            stream.on('error', reject);
            stream.on('end', () => (see('end'), resolve()));
          }),
      ),
  };
};

module.exports = async (name) => {
  const where = { host: '127.0.0.1', port: Number(process.env.POSTGRES), user: 'postgres', database: 'postgres' };
  const pool = new Pool({ ...where, max: 2 });
  if (name === 'pg-cursor') return cursors(pool);
  const client = new Client(where);
  await client.connect();
  const asked = (see, done) => (error) => {
    see('callback');
    done(error);
  };
  return {
    'Pool, query with callback': (see) => calledBack((done) => pool.query('select 1', asked(see, done))),
    'Pool, query': async (see) => {
      await pool.query('select 1');
      see('promise');
    },
    'Pool, connect with callback': (see) =>
      calledBack((done) =>
        pool.connect((error, connection, release) => {
          see('connect');
          if (error) return done(error);
          connection.query('select $1::int', [1], (failed) => {
            see('query');
            release();
            done(failed);
          });
        }),
      ),
    'Client, query with callback': (see) => calledBack((done) => client.query('select 1', asked(see, done))),
    'Client, query': async (see) => {
      await client.query('select 1');
      see('promise');
    },
    'Query, events': (see) =>
      new Promise((resolve, reject) => {
        const query = client.query(new Query('select 1'));
        query.on('row', () => see('row'));
        query.on('error', reject);
        query.on('end', () => {
          see('end');
          resolve();
        });
      }),
  };
};
