// The embedded Nacos as a process that can be killed. DOCUMENTS replaces what a real one has on disk.
const { startEmbeddedNacos } = require('@lane/embedded-nacos');

const documents = JSON.parse(process.env.DOCUMENTS ?? '[]');
const auth = process.env.AUTH && JSON.parse(process.env.AUTH);
void startEmbeddedNacos({ port: Number(process.env.PORT ?? 0), documents, ...(auth && { auth }) }).then(({ port }) => process.send({ port }));
