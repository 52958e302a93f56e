/** Files in an S3 bucket instead of a folder: all that files.test.ts holds of a folder in short, and what a bucket that is away does to others. */
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { startServer } from '../src/server.ts';
import { startBucket } from './kit/bucket.ts';
import { databaseUrl, engine } from './kit/engine.ts';
import { change, read } from './kit/outcome.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, temporaryFolder, testSettings } from './kit/server.ts';
import { attachmentFields, fetched, put, slotFor, storedFiles, upload } from './kit/upload.ts';

const pair = (people: Person[]) => people as [Person, Person];
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const send = async (who: Person, to: Person, ids: string[]) =>
  (await change(who, 'sendMessage', { to: { username: to.username }, attachmentIds: ids }, `message { id attachments { ${attachmentFields} } }`)).message;
const attachmentOf = async (who: Person, messageId: string) =>
  (await read(who, `query ($id: ID!) { message(id: $id) { attachments { ${attachmentFields} small: image { url(width: 64) } } } }`, { id: messageId })).attachments[0];

describe('a bucket', () => {
  it('holds the files of all servers: whole, in parts and as pictures, until they are deleted', async () => {
    await using bucket = await startBucket();
    await using first = await startTestServer(bucket.settings);
    // Another server on the same database, with a folder of its own.
    await using second = engine === 'postgresql' ? await startTestServer({ ...bucket.settings, DATABASE_URL: first.app.config.DATABASE_URL }) : null;
    const elsewhere = (url: string): string => (second ? url.replace(first.url, second.url) : url);
    const [ada, ben] = pair(await first.people(2));
    const [file, photo] = [
      randomBytes(3_000_000),
      await sharp({ create: { width: 600, height: 300, channels: 3, background: 'red' } })
        .jpeg()
        .toBuffer(),
    ];
    const uploads = [await upload(ada, { bytes: file, sha256: sha256(file) }), await upload(ada, { bytes: photo, contentType: 'image/jpeg' })];
    expect(uploads[1]?.image).toMatchObject({ width: 600, height: 300 });
    const messages = [await send(ada, ben, [uploads[0]?.id as string]), await send(ada, ben, [uploads[1]?.id as string])];
    const [ofFile, ofPhoto] = [await attachmentOf(ben, messages[0].id), await attachmentOf(ben, messages[1].id)];
    expect((await fetched(elsewhere(ofFile.url))).bytes.equals(file)).toBe(true);
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000000-1999999', 1_000_000, 2_000_000],
      ['bytes=-5', file.length - 5, file.length],
    ] as const) {
      const part = await fetched(elsewhere(ofFile.url), { headers: { range } });
      expect([part.status, part.headers.get('content-range'), part.bytes.equals(file.subarray(from, to))]).toEqual([206, `bytes ${from}-${to - 1}/${file.length}`, true]);
    }
    for (const [url, width] of [
      [ofPhoto.image.url, 600],
      [ofPhoto.small.url, 64],
    ])
      expect(await sharp((await fetched(elsewhere(url))).bytes).metadata()).toMatchObject({ format: 'webp', width });
    expect(await bucket.stored()).toHaveLength(1 + 1 + 3);
    expect(await storedFiles(first).catch(() => [])).toEqual([]);
    // Nobody keeps a file in memory to know how long it is.
    for (const { headers } of bucket.asked.filter(({ method }) => method === 'PUT')) expect(headers).toMatchObject({ 'content-length': expect.stringMatching(/^\d+$/) });
    await change(ada, 'deleteMessage', { messageId: messages[0].id });
    await expect.poll(bucket.stored).toHaveLength(4);
    await upload(ada, { bytes: file });
    expect(await change(ada, 'deleteAccount', { password: 'correct horse battery', messages: 'ERASE' })).toMatchObject({ __typename: 'DeleteAccountPayload' });
    await expect.poll(bucket.stored, { timeout: 5_000 }).toEqual([]);
    expect((await fetched(elsewhere(ofPhoto.image.url))).status).toBe(404);
  });

  it('takes an upload as it comes, and keeps nothing of one that is wrong or breaks off', async () => {
    await using bucket = await startBucket();
    await using server = await startTestServer(bucket.settings);
    const [ada] = pair(await server.people(1));
    const bytes = randomBytes(1_000_000);
    const wrong = await slotFor(ada, { bytes, sha256: sha256(randomBytes(1)) });
    expect(await put(wrong, bytes)).toBe(400);
    expect(bucket.asked.findLast(({ method }) => method === 'PUT')?.received).toBeLessThan(bytes.length);
    const cut = await slotFor(ada, { bytes });
    const sending = request(cut.uploadUrl, { method: 'PUT', headers: { 'content-length': bytes.length } }).on('error', () => {});
    const before = bucket.asked.length;
    sending.write(bytes.subarray(0, 500_000));
    await expect.poll(() => bucket.asked.slice(before).filter(({ method }) => method === 'PUT')).toHaveLength(1);
    sending.destroy();
    await expect.poll(() => put(cut, bytes), { timeout: 10_000 }).toBe(204);
    await expect.poll(bucket.stored, { timeout: 10_000 }).toHaveLength(1);
  });

  it('is swept of what a server that died has left an hour ago, and never by another installation', async () => {
    await using bucket = await startBucket();
    await using server = await startTestServer(bucket.settings);
    const [ada] = pair(await server.people(1));
    for (let i = 0; i < 3; i++) await upload(ada, { bytes: randomBytes(10) });
    const [known, young, stray] = (await bucket.stored()) as [string, string, string];
    await server.app.db.sqlTransaction((sql) => sql.all('UPDATE "Attachment" SET "blobKey" = "blobKey" || \'x\' WHERE "blobKey" <> ?', [known]));
    for (const key of [known, stray]) await bucket.age(`${key.slice(0, 2)}/${key}`);
    const sweepAll = async (): Promise<string[]> => {
      for (let part = 0; part < 256; part++) await server.app.files.sweep();
      return (await bucket.stored()).toSorted();
    };
    const installation = await bucket.replace('installation', 'another');
    await server.restart();
    expect(await sweepAll()).toEqual([known, young, stray].toSorted());
    await bucket.replace('installation', installation);
    await server.restart();
    expect(await sweepAll()).toEqual([known, young].toSorted());
  });

  it('that is away or silent makes files unavailable and holds nobody else up', async () => {
    await using bucket = await startBucket();
    await using server = await startTestServer({ ...bucket.settings, FILES_S3_SECONDS: '1' });
    const [ada, ben] = pair(await server.people(2));
    const bytes = randomBytes(200_000);
    const message = await send(ada, ben, [(await upload(ada, { bytes })).id]);
    const { url } = await attachmentOf(ben, message.id);
    const [slot, uploaded] = [await slotFor(ada, { bytes }), await slotFor(ada, { bytes })];
    expect(await put(uploaded, bytes)).toBe(204);
    bucket.block('full');
    expect(await put(slot, bytes)).toBe(503);
    expect((await fetched(url)).bytes.equals(bytes)).toBe(true);
    for (const state of ['gone', 'silent'] as const) {
      bucket.block(state);
      let answered = 0;
      const waiting = Promise.all([
        put(slot, bytes),
        fetched(url).then(({ status, headers }) => [status, headers.get('content-disposition')]),
        ada
          .request('mutation ($id: ID!) { completeUpload(input: { attachmentId: $id }) { __typename } }', { id: uploaded.attachmentId })
          .then(({ errors }) => errors?.[0]?.extensions.code),
      ]).finally(() => answered++);
      if (state === 'silent') {
        for (let i = 0; i < 20; i++) await ada.send({ username: ben.username }, `${i}`);
        expect(answered).toBe(0);
      }
      expect(await waiting).toEqual([503, [503, null], 'UNAVAILABLE']);
      expect((await fetch(`${server.url}/ready`)).status).toBe(200);
    }
    // What was deleted meanwhile goes when it can.
    await change(ada, 'deleteMessage', { messageId: message.id });
    bucket.block('open');
    expect(await put(slot, bytes)).toBe(204);
    await server.app.files.sweep();
    expect(await bucket.stored()).toHaveLength(2);
    expect((await fetched(url)).status).toBe(404);
  });

  it('that breaks off in the middle of a file ends the download, and one that is silent does not hold up a stop', async () => {
    await using bucket = await startBucket();
    await using server = await startTestServer({ ...bucket.settings, FILES_S3_SECONDS: '60' });
    const [ada, ben] = pair(await server.people(2));
    const message = await send(ada, ben, [(await upload(ada, { bytes: randomBytes(3_000_000) })).id]);
    bucket.block('breaking');
    const answer = await fetch(message.attachments[0].url);
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow();
    bucket.block('silent');
    const before = bucket.asked.length;
    await change(ada, 'deleteMessage', { messageId: message.id });
    await expect.poll(() => bucket.asked.slice(before).filter(({ method }) => method === 'DELETE'), { timeout: 10_000 }).toHaveLength(1);
    // Its files go, too: the erasure waits for the one that is under way.
    await change(ada, 'deleteAccount', { password: ada.password, messages: 'ERASE' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    // A stop gives up waiting for this; here nobody does.
    await server.app.close();
  });

  it('that cannot be used stops the start, and says why', async () => {
    await using bucket = await startBucket();
    await using folder = await temporaryFolder();
    const DATABASE_URL = await databaseUrl(folder.path);
    for (const [settings, sentence] of [
      [{ FILES_S3_URL: `${bucket.origin}/other` }, /^The bucket of FILES_S3_URL cannot be listed: there is no such bucket$/],
      [{ FILES_S3_SECRET: 'wrong' }, /^The bucket of FILES_S3_URL cannot be listed: it answers 403 SignatureDoesNotMatch$/],
      [{ FILES_S3_URL: 'http://127.0.0.1:2/chat' }, /^The bucket of FILES_S3_URL cannot be listed: ECONNREFUSED$/],
    ] as const)
      await expect(startServer(readConfig({ ...testSettings, DATA_DIR: folder.path, DATABASE_URL, ...bucket.settings, ...settings }))).rejects.toThrow(sentence);
    const start = () => startServer(readConfig({ ...testSettings, DATA_DIR: folder.path, DATABASE_URL, ...bucket.settings, FILES_S3_SECONDS: '1' }));
    bucket.block('full');
    await expect(start()).rejects.toThrow(/^The bucket of FILES_S3_URL cannot be written: it answers 403 QuotaExceeded$/);
    bucket.block('silent');
    await expect(start()).rejects.toThrow(/^The bucket of FILES_S3_URL cannot be listed: it does not answer$/);
  });
});
