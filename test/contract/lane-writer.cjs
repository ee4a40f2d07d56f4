// On request, adds lanes to the group shop, one after another; reports how often it conflicted with others.
const { withLane } = require('@lane/core/rules');
const { connectNacos } = require('@lane/nacos-registry');
const { LaneGroupsStore } = require('@lane/storage');

const { server, namespace, transport, name, count, username, password } = JSON.parse(process.argv[2]);

process.once('message', async () => {
  const connection = connectNacos({ server, namespace, transport, username, password, holdProcess: true });
  const store = new LaneGroupsStore(connection);
  let conflicts = 0;
  for (let i = 0; i < count; i++) {
    const lane = { name: `${name}-${i}`, tag: `${name}-${i}` };
    conflicts += (await store.change((document) => withLane(document, 'shop', lane), { by: name })).conflicts;
  }
  await connection.close();
  process.send({ conflicts }, () => process.disconnect());
});
process.send({ ready: true });
