'use strict';
const mysql = require('mysql');
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
  return {
    'Pool, query': (see) => calledBack((done) => pool.query('select 1', asked(see, done))),
    'Pool, events': (see) => events(pool.query('select 1'), see),
    'Pool, getConnection': (see) =>
      calledBack((done) =>
        pool.getConnection((error, taken) => {
          see('connection');
          if (error) return done(error);
          taken.query('select ?', [1], (failed) => {
            see('query');
            taken.release();
            done(failed);
          });
        }),
      ),
    'Pool, transaction': (see) =>
      calledBack((done) =>
        pool.getConnection((error, taken) => {
          if (error) return done(error);
          taken.beginTransaction(() => {
            see('begun');
            taken.commit((failed) => {
              see('committed');
              taken.release();
              done(failed);
            });
          });
        }),
      ),
    'Connection, query': (see) => calledBack((done) => connection.query({ sql: 'select 1' }, asked(see, done))),
    'Connection, events': (see) => events(connection.query('select 1'), see),
    'Connection, stream': (see) =>
      new Promise((resolve, reject) => {
        const rows = connection.query('select 1 as one').stream();
        rows
          .on('data', () => see('data'))
          .on('end', resolve)
          .on('error', reject);
      }),
  };
};
