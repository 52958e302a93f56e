/** Typed documents, from schema.graphql: of the tests and examples into test/generated, of the page into web/src/generated (not committed: `npm run codegen` writes them anew before each use). */
import type { CodegenConfig } from '@graphql-codegen/cli';

const form = {
  preset: 'client',
  presetConfig: { fragmentMasking: false },
  config: {
    documentMode: 'string',
    enumsAsTypes: true,
    importExtension: '.ts',
    scalars: { DateTime: 'string', EventCursor: 'string', URL: 'string', JSON: 'unknown' },
    strictScalars: true,
    useTypeImports: true,
  },
} as const;

const config: CodegenConfig = {
  schema: 'schema.graphql',
  ignoreNoDocuments: true,
  silent: true,
  generates: {
    'test/generated/': { ...form, documents: ['test/**/*.ts', 'examples/**/*.ts', '!test/generated/**'] },
    'web/src/generated/': { ...form, documents: ['web/src/**/*.{ts,tsx}', '!web/src/generated/**'] },
  },
};

export default config;
