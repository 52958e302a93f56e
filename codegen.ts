/** Typed documents for the tests and the example, from schema.graphql, into test/generated (not committed: `npm run codegen` writes it anew before each use). */
import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['test/**/*.ts', 'examples/**/*.ts', '!test/generated/**'],
  ignoreNoDocuments: true,
  silent: true,
  generates: {
    'test/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        importExtension: '.ts',
        scalars: { DateTime: 'string', EventCursor: 'string', URL: 'string' },
        strictScalars: true,
        useTypeImports: true,
      },
    },
  },
};

export default config;
