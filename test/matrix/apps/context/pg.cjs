'use strict';
const { Client, Pool, Query } = require('pg');
const { calledBack } = require('./called-back.cjs');

module.exports = async () => {
  const where = { host: '127.0.0.1', port: Number(process.env.POSTGRES), user: 'postgres', database: 'postgres' };
  const pool = new Pool({ ...where, max: 2 });
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
