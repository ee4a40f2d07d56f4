'use strict';
const { calledBack } = require('./called-back.cjs');

const port = Number(process.env.SQL_SERVER);
const server = '127.0.0.1';
const options = { encrypt: false, trustServerCertificate: true };

function tedious() {
  const { Connection, Request } = require('tedious');
  const authentication = { type: 'default', options: { userName: 'app', password: 'secret' } };
  const idle = [];
  const waiting = [];
  let made = 0;
  const acquire = () =>
    new Promise((resolve, reject) => {
      if (idle.length > 0) resolve(idle.pop());
      else if (made === 2) waiting.push(resolve);
      else {
        made++;
        const connection = new Connection({ server, authentication, options: { ...options, port } });
        connection.connect((error) => (error ? reject(error) : resolve(connection)));
      }
    });
  const release = (connection) => {
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else next(connection);
  };
  const using = (work) => async (see) => {
    const connection = await acquire();
    await work(connection, see);
    release(connection);
  };
  return {
    execSql: using((connection, see) =>
      calledBack((done) => {
        const request = new Request('select 1', (error) => (see('callback'), done(error)));
        request.on('row', () => see('row'));
        request.on('requestCompleted', () => see('completed'));
        connection.execSql(request);
      }),
    ),
    transaction: using(async (connection, see) => {
      await calledBack((done) => connection.beginTransaction((error) => (see('begun'), done(error))));
      await calledBack((done) => connection.commitTransaction((error) => (see('committed'), done(error))));
    }),
  };
}

async function mssql() {
  const { ConnectionPool } = require('mssql');
  const pool = await new ConnectionPool({ server, port, user: 'app', password: 'secret', options, pool: { max: 2 } }).connect();
  return {
    callback: (see) => calledBack((done) => pool.request().query('select 1', (error) => (see('callback'), done(error)))),
    promise: async (see) => {
      await pool.request().query('select 1');
      see('promise');
    },
    'events of a stream': (see) =>
      calledBack((done) => {
        const request = pool.request();
        request.stream = true;
        request.on('row', () => see('row'));
        request.on('error', done);
        request.on('done', () => (see('done'), done()));
        request.query('select 1');
      }),
    transaction: async (see) => {
      const transaction = pool.transaction();
      await transaction.begin();
      see('begun');
      await calledBack((done) => transaction.request().query('select 1', (error) => (see('queried'), done(error))));
      await transaction.commit();
    },
  };
}

module.exports = (library) => (library === 'mssql' ? mssql() : tedious());
