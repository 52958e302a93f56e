/** `npm run schema`: prints the schema of the code into schema.graphql; `--check` only tells whether the file is another. */
import { readFileSync, writeFileSync } from 'node:fs';
import { printedSchema } from '../src/api/print.ts';
import { schema } from '../src/api/schema.ts';

const path = new URL('../schema.graphql', import.meta.url);
const text = printedSchema(schema);
if (!process.argv.includes('--check')) writeFileSync(path, text);
else if (readFileSync(path, 'utf8') !== text) throw new Error('schema.graphql is not what the code says: run npm run schema');
