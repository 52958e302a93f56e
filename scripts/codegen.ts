/** `npm run codegen`: writes the typed documents of codegen.ts. Fails, naming file and line, when a document does not fit schema.graphql. */
import { join } from 'node:path';
import { generate } from '@graphql-codegen/cli';
import config from '../codegen.ts';

await generate({ ...config, cwd: join(import.meta.dirname, '..') }, true);
