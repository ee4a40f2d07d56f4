'use strict';
module.exports = async (name) => {
  if (name === 'knex') {
    const knex = require('knex');
    const host = '127.0.0.1';
    const postgres = knex({ client: 'pg', connection: { host, port: Number(process.env.POSTGRES), user: 'postgres' }, pool: { min: 0, max: 2 } });
    const mariadb = knex({
      client: 'mysql2',
      connection: { host, port: Number(process.env.MARIADB), user: 'root', database: 'test' },
      pool: { min: 0, max: 2 },
    });
    const formsOf = (label, database) => ({
      [`${label}, query`]: async (see) => {
        await database.select(database.raw('1'));
        see('promise');
      },
      [`${label}, transaction`]: (see) =>
        database.transaction(async (transaction) => {
          see('begun');
          await transaction.raw('select 1');
          see('queried');
        }),
      [`${label}, events of a stream`]: (see) =>
        new Promise((resolve, reject) => {
          const rows = database.select(database.raw('1')).stream();
          rows.on('data', () => see('row'));
          rows.on('error', reject);
          rows.on('end', () => (see('end'), resolve()));
        }),
    });
    return { ...formsOf('pg', postgres), ...formsOf('mysql2', mariadb) };
  }
  const { createNamespace } = require('cls-hooked');
  const { DataTypes, Sequelize } = require('sequelize');
  const namespace = createNamespace('app');
  Sequelize.useCLS(namespace);
  const sequelize = new Sequelize('test', 'root', '', {
    host: '127.0.0.1',
    port: Number(process.env.MARIADB),
    dialect: 'mysql',
    logging: false,
    pool: { max: 2 },
  });
  const Item = sequelize.define('Item', { name: DataTypes.STRING });
  await Item.sync();
  return {
    findAll: async (see) => {
      await Item.findAll();
      see('found');
    },
    // The transaction is in the namespace, and the query takes it from there.
    'transaction in cls-hooked': (see) =>
      sequelize.transaction(async (transaction) => {
        see('begun');
        await Item.findAll();
        if (namespace.get('transaction') !== transaction) throw new Error('the namespace has lost the transaction');
        see('found');
      }),
  };
};
