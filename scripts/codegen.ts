/** `npm run codegen`: writes the typed documents of codegen.ts. Fails, naming file and line, when a document does not fit schema.graphql. */
import { generate } from '@graphql-codegen/cli';
import config from '../codegen.ts';

await generate({ ...config, cwd: new URL('..', import.meta.url).pathname }, true);
