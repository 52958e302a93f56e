/** `npm run bench -- NAME`: one of the benches beside this file. */
const [name = ''] = process.argv.slice(2);
if (!/^[a-z-]+$/.test(name)) throw new Error('Which one? npm run bench -- send, fan-out, web …');
await import(`./${name}.ts`);
