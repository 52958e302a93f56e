/** Derives PostgreSQL's Prisma schema from the one model file, so that the two cannot drift apart. */
import { readFileSync } from 'node:fs';

export type Provider = 'sqlite' | 'postgresql';
export const modelFile = 'prisma/schema.prisma';

/** The model file as a schema of `provider`. */
export function schemaFor(provider: Provider, model = readFileSync(modelFile, 'utf8')): string {
  if (provider === 'sqlite') return model;
  return model
    .replace('provider = "sqlite"', 'provider = "postgresql"')
    .replace('src/storage/generated/sqlite"', 'src/storage/generated/postgresql"')
    .replaceAll(/^(\s+\w+\s+DateTime\??)(.*)$/gm, '$1 @db.Timestamptz(3)$2');
}
