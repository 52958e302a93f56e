/** Writes the generated Prisma clients (one for each engine), with ids of their kinds (src/ids.ts). Runs after every install; needs no network. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, join, resolve } from 'node:path';
import { schemaFor } from './prisma-schema.ts';

const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
// Prisma finds its generators on PATH.
const env = { ...process.env, PATH: [resolve('node_modules/.bin'), process.env.PATH].join(delimiter), CHECKPOINT_DISABLE: '1' };
/** Which kind of id a field holds, by its name; `id` by its model. */
const idFields: Record<string, string> = {
  userId: 'UserId',
  ownerId: 'UserId',
  personId: 'UserId',
  creatorId: 'UserId',
  senderId: 'UserId',
  forwardAuthorId: 'UserId',
  uploaderId: 'UserId',
  lowUserId: 'UserId',
  highUserId: 'UserId',
  chatId: 'ChatId',
  sessionId: 'SessionId',
  avatarId: 'AttachmentId',
};
const ownIds: Record<string, string> = { User: 'UserId', Chat: 'ChatId', Session: 'SessionId', Attachment: 'AttachmentId', PushDevice: 'PushDeviceId' };
const folder = mkdtempSync(join('prisma', '.generate-'));
try {
  for (const provider of ['sqlite', 'postgresql'] as const) {
    const file = join(folder, `${provider}.prisma`);
    writeFileSync(file, schemaFor(provider).replaceAll('"../src/', '"../../src/'));
    const run = spawnSync(process.execPath, [prisma, 'generate', '--schema', file, '--no-hints'], { env, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`prisma generate failed:\n${run.error?.message ?? run.stdout + run.stderr}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const file of globSync('src/storage/generated/*/models/*.ts')) brandIds(file, basename(file, '.ts'));

/** Prisma knows numbers only: what it reads gets the branded types here, so that no row needs a cast. */
function brandIds(file: string, model: string): void {
  const text = readFileSync(file, 'utf8').replace(/GetPayloadResult<\{[\s\S]*?\n {2}\}/, (scalars) =>
    scalars.replaceAll(/^( {4}(\w+): )number\b/gm, (line, start: string, field: string) => {
      const kind = field === 'id' ? ownIds[model] : idFields[field];
      return kind ? `${start}ids.${kind}` : line;
    }),
  );
  if (!text.includes(': ids.')) return;
  writeFileSync(file, `${text}\nimport type * as ids from '../../../../ids.ts';\n`);
}
