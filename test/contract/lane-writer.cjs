// Adds lanes to the group shop, one after another; reports how often it conflicted with others. Its first change waits for permission after it has read the
// groups: if all writers read before any of them writes, they are sure to conflict.
const { withLane } = require('@lane/core/rules');
const { connectNacos } = require('@lane/nacos-registry');
const { LaneGroupsStore } = require('@lane/storage');

const { server, namespace, transport, name, count, username, password } = JSON.parse(process.argv[2]);

let permission;
const permitted = () =>
  (permission ??= new Promise((resolve) => {
    process.once('message', resolve);
    process.send({ ready: true });
  }));

async function main() {
  const connection = connectNacos({ server, namespace, transport, username, password, holdProcess: true });
  for (const method of ['get', 'getRecorded']) {
    const read = connection[method];
    if (read === undefined) continue;
    connection[method] = async (...args) => {
      const found = await Reflect.apply(read, connection, args);
      await permitted();
      return found;
    };
  }
  const store = new LaneGroupsStore(connection);
  let conflicts = 0;
  for (let i = 0; i < count; i++) {
    const lane = { name: `${name}-${i}`, tag: `${name}-${i}` };
    conflicts += (await store.change((document) => withLane(document, 'shop', lane), { by: name })).conflicts;
  }
  await connection.close();
  process.send({ conflicts }, () => process.disconnect());
}

void main();
