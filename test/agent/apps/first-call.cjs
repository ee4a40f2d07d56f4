'use strict';
// Calls a service by name, in the first tick or later, with nothing else that keeps the process alive; tells how it went.
const call = async () => {
  try {
    console.log(await (await fetch(process.env.CALL)).text());
  } catch (error) {
    console.log(`failed: ${error.cause?.code ?? error.code ?? error.message}`);
  }
};
if (process.env.LATER === undefined) void call();
else setTimeout(call, Number(process.env.LATER));
