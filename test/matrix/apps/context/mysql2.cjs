'use strict';
const mysql = require('mysql2');
const { calledBack } = require('./called-back.cjs');

module.exports = () => {
  const where = { host: '127.0.0.1', port: Number(process.env.MARIADB), user: 'root', database: 'test' };
  const pool = mysql.createPool({ ...where, connectionLimit: 2 });
  const connection = mysql.createConnection(where);
  const asked = (see, done) => (error) => {
    see('callback');
    done(error);
  };
  const events = (query, see) =>
    new Promise((resolve, reject) => {
      query.on('result', () => see('result'));
      query.on('error', reject);
      query.on('end', () => {
        see('end');
        resolve();
      });
    });
  const streamed = (stream, see) =>
    new Promise((resolve, reject) => {
      stream.on('data', () => see('data'));
      stream.on('error', reject);
      stream.on('end', () => (see('end'), resolve()));
    });
  return {
    'Pool, query': (see) => calledBack((done) => pool.query('select 1', asked(see, done))),
    'Pool, execute': (see) => calledBack((done) => pool.execute('select ?', [1], asked(see, done))),
    'Pool, getConnection': (see) =>
      calledBack((done) =>
        pool.getConnection((error, taken) => {
          see('connection');
          if (error) return done(error);
          taken.query('select 1', (failed) => {
            see('query');
            taken.release();
            done(failed);
          });
        }),
      ),
    'Pool, promises': async (see) => {
      await pool.promise().query('select 1');
      see('promise');
    },
    'Connection, query': (see) => calledBack((done) => connection.query('select 1', asked(see, done))),
    'Connection, execute': (see) => calledBack((done) => connection.execute('select ?', [1], asked(see, done))),
    'Connection, events': (see) => events(connection.query('select 1'), see),
    'Connection, events of a stream': (see) => streamed(connection.query('select 1 union select 2').stream({ highWaterMark: 1 }), see),
    'Connection, stream': async (see) => {
      for await (const row of connection.query('select 1 as one').stream()) see(`row ${row.one}`);
    },
  };
};
