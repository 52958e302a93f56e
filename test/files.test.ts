/** Files in messages: uploaded to a slot, looked at, sent, fetched by signed links, and gone when they should be. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { bearer, change, outcome, read, sight } from './kit/outcome.ts';
import { createPerson, type Person, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { startTestServer, type TestServer, temporaryFolder } from './kit/server.ts';
import { attachmentFields, fetched, put, type Slot, slotFor, storedFiles, upload } from './kit/upload.ts';

const some = (people: Person[]) => people as [Person, Person, Person, Person];
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const text = (content: string): Buffer => Buffer.from(content);
const id = (type: string, key: string | number): string => Buffer.from(`${type}:${key}`).toString('base64');
const keyOf = (globalId: string): string => Buffer.from(globalId, 'base64').toString().split(':')[1] as string;

const sent = `message { id seq text version attachments { ${attachmentFields} } } duplicate`;
const send = (who: Person, input: Untyped) => change(who, 'sendMessage', input, sent);
const attachmentsOf = async (who: Person, messageId: string): Promise<Untyped[] | null> =>
  (await read(who, `query ($id: ID!) { message(id: $id) { attachments { ${attachmentFields} } } }`, { id: messageId }))?.attachments ?? null;
const photo = (width = 60, height = 40, format: 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' = 'jpeg'): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 40 }, background: 'red' } })
    .toFormat(format)
    .toBuffer();
/** What a path answers that goes out as it is. */
const rawStatus = ({ url }: { url: string }, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    get({ hostname, port, path }, (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject);
  });
const picture = async (url: string): Promise<{ width: number; height: number }> => {
  const { status, headers, bytes } = await fetched(url);
  expect([status, headers.get('content-type')]).toEqual([200, 'image/webp']);
  const { width, height } = await sharp(bytes).metadata();
  return { width, height };
};

describe('a message', () => {
  it('carries a photo and a file to everybody who reads it, live and later', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const [image, file] = [await photo(600, 300), randomBytes(200_000)];
    const live = await ben.follow(`subscription { newMessages { __typename ... on MessageAdded { message { text attachments { ${attachmentFields} } } } } }`);
    const uploads = [
      await upload(ada, { bytes: image, fileName: 'Holiday.jpg', contentType: 'image/jpeg', sha256: sha256(image).toString('hex') }),
      await upload(ada, { bytes: file, fileName: 'données.bin', sha256: sha256(file).toString('base64') }),
    ];
    const { message } = await send(ada, { to: { username: ben.username }, attachmentIds: uploads.map((each) => each.id) });
    expect(message).toMatchObject({
      text: null,
      attachments: [
        {
          fileName: 'Holiday.jpg',
          contentType: 'image/jpeg',
          size: image.length,
          sha256: sha256(image).toString('hex'),
          uploadedBy: { id: ada.id },
          image: { width: 600, height: 300 },
        },
        { fileName: 'données.bin', contentType: 'application/octet-stream', size: file.length, sha256: sha256(file).toString('hex'), image: null },
      ],
    });
    const heard = (await live.next('MessageAdded')).message.attachments as Untyped[];
    const later = (await attachmentsOf(ben, message.id)) as Untyped[];
    expect(heard.map((each) => each.id)).toEqual(uploads.map((each) => each.id));
    for (const [first, second] of [heard, later]) {
      const [ofImage, ofFile] = [await fetched(first?.url), await fetched(second?.url)];
      expect(ofImage.bytes.equals(image)).toBe(true);
      expect(ofFile.bytes.equals(file)).toBe(true);
      expect(Object.fromEntries(ofImage.headers)).toMatchObject({
        'content-type': 'image/jpeg',
        'content-disposition': 'inline; filename=Holiday.jpg',
        'content-length': String(image.length),
      });
      expect(ofFile.headers.get('content-disposition')).toBe(`attachment; filename="donn?es.bin"; filename*=UTF-8''donn%C3%A9es.bin`);
      for (const { headers } of [ofImage, ofFile]) {
        expect(Object.fromEntries(headers)).toMatchObject({
          'x-content-type-options': 'nosniff',
          'content-security-policy': expect.stringMatching(/default-src 'none'.*sandbox/),
          'cache-control': expect.stringMatching(/^private, max-age=\d+$/),
        });
      }
      expect(await picture(first?.image.url)).toEqual({ width: 600, height: 300 });
    }
    expect(heard[0]?.image.id).not.toBe(heard[0]?.id);
    expect(Date.parse(later[0]?.urlExpiresAt) - Date.now()).toBeLessThanOrEqual(900_000);
  });

  it('shows a picture in the size that is asked for, upright, without what the file tells of its place', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const bytes = await sharp({ create: { width: 3000, height: 1500, channels: 3, background: 'red' } })
      .withExif({ IFD0: { Copyright: 'secret-owner' }, IFD3: { GPSLatitude: '52/1 31/1 0/1' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    const uploaded = await upload(ada, { bytes, contentType: 'image/jpeg' });
    expect(uploaded.image).toMatchObject({ width: 1500, height: 3000 });
    const sized = async (args: string) =>
      picture((await read(ada, `query ($id: ID!) { node(id: $id) { ... on Attachment { image { url${args} } } } }`, { id: uploaded.id })).image.url);
    expect(await sized('')).toEqual({ width: 1024, height: 2048 });
    expect(await sized('(width: 128)')).toEqual({ width: 128, height: 256 });
    expect(await sized('(width: 129)')).toEqual({ width: 256, height: 512 });
    expect(await sized('(height: 60)')).toEqual({ width: 32, height: 64 });
    expect(await sized('(width: 60, height: 60)')).toEqual({ width: 64, height: 128 });
    expect(await sized('(width: 0, height: -5)')).toEqual({ width: 1024, height: 2048 });
    expect(await sized('(width: 2147483647)')).toEqual({ width: 1024, height: 2048 });
    const { bytes: small } = await fetched(uploaded.image.url);
    expect((await sharp(small).metadata()).exif).toBeUndefined();
    expect(small.includes('secret-owner')).toBe(false);
    expect((await storedFiles(server)).length).toBe(1 + 5);
  });

  it('takes at most ten files: own, completed ones that are not in use, each once', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const to = { username: ben.username };
    const own = await Promise.all(Array.from({ length: 11 }, (_, i) => upload(ada, { bytes: text(`file ${i}`), contentType: 'text/plain' })));
    const ids = own.map((each) => each.id);
    const others = await upload(ben, { bytes: text('ben’s') });
    const slot = await slotFor(ada, { bytes: text('on its way') });
    const refused: [attachmentIds: string[], expected: string][] = [
      [ids, 'VALIDATION_FAILED attachmentIds length'],
      [[ids[0] as string, ids[0] as string], 'VALIDATION_FAILED attachmentIds unique'],
      [['zz', 'yy'], 'NOT_FOUND Attachment'],
      [[others.id], 'NOT_FOUND Attachment'],
      [[ids[0] as string, others.id], 'NOT_FOUND Attachment'],
      [[slot.attachmentId], 'NOT_FOUND Attachment'],
      [[id('Attachment', 987_654)], 'NOT_FOUND Attachment'],
      [['garbage'], 'NOT_FOUND Attachment'],
      [[ada.id], 'NOT_FOUND Attachment'],
      [[], 'VALIDATION_FAILED text required'],
    ];
    for (const [attachmentIds, expected] of refused) expect([attachmentIds, await outcome(ada, 'sendMessage', { to, attachmentIds })]).toEqual([attachmentIds, expected]);
    await put(slot, text('on its way'));
    expect(await outcome(ada, 'sendMessage', { to, attachmentIds: [slot.attachmentId] })).toBe('NOT_FOUND Attachment');
    const order = [...ids.slice(0, 10)].reverse();
    const { message } = await send(ada, { to, text: 'ten', attachmentIds: order });
    expect(message.attachments.map((each: Untyped) => each.id)).toEqual(order);
    expect(await outcome(ada, 'sendMessage', { to, attachmentIds: [ids[0], ids[10]] })).toBe('NOT_FOUND Attachment');
    expect(await outcome(ada, 'sendMessage', { to, text: ' ', attachmentIds: [ids[10]] })).toBe('VALIDATION_FAILED text visible');
    expect((await send(ada, { to, text: '', attachmentIds: [ids[10]] })).message).toMatchObject({ text: null, seq: 2 });
  });

  it('has a file that many want at once exactly once, and fails alone', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const to = { username: ben.username };
    const { id: wanted } = await upload(ada, { bytes: text('only one') });
    // On one socket: what comes in one piece is stored in one transaction.
    const socket = ada.socket();
    await socket.request('{ __typename }');
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) => outcome(socket, 'sendMessage', i % 3 === 0 ? { to, text: `${i}` } : { to, text: `${i}`, attachmentIds: [wanted] })),
    );
    expect(results.filter((each) => each === 'done')).toHaveLength(10 + 1);
    expect(results.filter((each) => each === 'NOT_FOUND Attachment')).toHaveLength(19);
    const page = await read(ben, 'query ($with: String!) { dialog(with: { username: $with }) { lastSeq messages(first: 100) { nodes { seq attachments { id } } } } }', {
      with: ada.username,
    });
    expect(page.lastSeq).toBe(11);
    expect(page.messages.nodes.flatMap((node: Untyped) => node.attachments)).toEqual([{ id: wanted }]);
  });

  it('that is sent again with its files is the same message; with others it is a conflict', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const [one, two] = [await upload(ada, { bytes: text('1') }), await upload(ada, { bytes: text('2') })];
    const input = { to: { username: ben.username }, text: 'x', clientMessageId: 'm1', attachmentIds: [one.id, two.id] };
    const both = await Promise.all([send(ada, input), send(ada, input)]);
    expect(both.map(({ duplicate }) => duplicate).sort()).toEqual([false, true]);
    const again = await send(ada, input);
    expect(again).toMatchObject({ duplicate: true, message: { id: both[0]?.message.id, attachments: [{ id: one.id }, { id: two.id }] } });
    for (const attachmentIds of [[], [one.id], [two.id, one.id], [one.id, two.id, 'garbage']])
      expect(await outcome(ada, 'sendMessage', { ...input, attachmentIds })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
    await change(ada, 'deleteMessage', { messageId: again.message.id });
    expect(await send(ada, input)).toMatchObject({ duplicate: true, message: { id: again.message.id, attachments: [] } });
  });

  it('with files may lose its text, but not become empty otherwise', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const to = { username: ben.username };
    const { message } = await send(ada, { to, text: 'look', attachmentIds: [(await upload(ada, { bytes: text('1') })).id] });
    const edited = await change(ada, 'editMessage', { messageId: message.id, text: '' }, 'message { text version attachments { id } }');
    expect(edited.message).toMatchObject({ text: null, version: 2, attachments: [{ id: message.attachments[0].id }] });
    expect((await change(ada, 'editMessage', { messageId: message.id, text: 'back' }, 'message { text version }')).message).toEqual({ text: 'back', version: 3 });
    const plain = await send(ada, { to, text: 'x' });
    expect(await outcome(ada, 'editMessage', { messageId: plain.message.id, text: '' })).toBe('VALIDATION_FAILED text required');
  });

  it('takes one statement more for the files of a whole page', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const counted = async (fields: string): Promise<number> => {
      const document = `query ($with: String!) { dialog(with: { username: $with }) { messages { nodes { id ${fields} } } } }`;
      const counts: number[] = [];
      // The least of a few: what the server does by itself now and then does not count.
      for (let round = 0; round < 5; round++) {
        const before = server.app.db.statements.count;
        await read(ben, document, { with: ada.username });
        counts.push(server.app.db.statements.count - before);
      }
      return Math.min(...counts);
    };
    for (let i = 0; i < 4; i++) await send(ada, { to: { username: ben.username }, attachmentIds: [(await upload(ada, { bytes: text(`${i}`) })).id] });
    expect((await counted('attachments { id fileName url size }')) - (await counted(''))).toBe(1);
  });
});

describe('an upload', () => {
  it('is refused when its announcement cannot be right', async () => {
    await using server = await startTestServer({ MAX_ATTACHMENT_BYTES: '1000' });
    const [ada] = some(await server.people(1));
    const good = { fileName: 'a.txt', contentType: 'text/plain', size: 10 };
    const refused: [input: Untyped, expected: string][] = [
      [{ size: 0 }, 'VALIDATION_FAILED size range'],
      [{ size: -1 }, 'VALIDATION_FAILED size range'],
      [{ size: 1001 }, 'VALIDATION_FAILED size range'],
      [{ size: 3_000_000_000 }, 'VALIDATION_FAILED size range'],
      [{ size: Number.MAX_SAFE_INTEGER }, 'VALIDATION_FAILED size range'],
      [{ size: 1.5 }, 'top: BAD_REQUEST'],
      [{ fileName: '' }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: ' \u202e\u200b' }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: '\u3164\u115f' }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: 'folder/' }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: '..' }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: 'x'.repeat(256) }, 'VALIDATION_FAILED fileName format'],
      [{ fileName: 'a\ud800.txt' }, 'VALIDATION_FAILED fileName format'],
      [{ contentType: 'text' }, 'VALIDATION_FAILED contentType format'],
      [{ contentType: 'text/plain\r\nx: y' }, 'VALIDATION_FAILED contentType format'],
      [{ sha256: 'abc' }, 'VALIDATION_FAILED sha256 format'],
      [{ sha256: `${'0'.repeat(63)}g` }, 'VALIDATION_FAILED sha256 format'],
    ];
    for (const [input, expected] of refused) expect([input, await outcome(ada, 'requestUpload', { ...good, ...input })]).toEqual([input, expected]);
    expect(await outcome(ada, 'requestUpload', { ...good, size: 1000, contentType: 'Text/Plain; charset="utf-8"' })).toBe('done');
  });

  it('has a name that is safe to show and to save under', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    for (const [fileName, expected] of [
      ['../../etc/passwd', 'passwd'],
      ['C:\\Users\\Ada\\Bild.png', 'Bild.png'],
      ['in\u202egnp.exe', 'ingnp.exe'],
      ['a\0b\nc\u0085d\u2028e.txt', 'abcde.txt'],
      ['  spaced .txt ', 'spaced .txt'],
      ['.profile', '.profile'],
      ['e\u0301t\u0301e\u0301.txt', 'ét\u0301é.txt'],
      ['👩‍👩‍👧.png', '👩‍👩‍👧.png'],
      ['"quoted"; x=y.txt', '"quoted"; x=y.txt'],
      ['🦜'.repeat(255), '🦜'.repeat(255)],
    ] as const) {
      const uploaded = await upload(ada, { bytes: text('x'), fileName });
      expect(uploaded.fileName).toBe(expected);
      expect((await fetched(uploaded.url)).headers.get('content-disposition')).toMatch(/^attachment; filename=/);
    }
  });

  it('takes exactly the bytes that were announced, and keeps nothing of others', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const bytes = randomBytes(100_000);
    const slot = await slotFor(ada, { bytes, sha256: sha256(bytes).toString('hex') });
    expect(slot).toMatchObject({ method: 'PUT', headers: [{ name: 'Content-Type', value: 'application/octet-stream' }] });
    const chunked = async (...chunks: Uint8Array[]): Promise<number> =>
      (
        await fetch(slot.uploadUrl, {
          method: 'PUT',
          body: new ReadableStream({
            start: (controller) => {
              for (const chunk of chunks) controller.enqueue(chunk);
              controller.close();
            },
          }),
          duplex: 'half',
        } as RequestInit)
      ).status;
    const changed = Buffer.from(bytes);
    changed[500] = (changed[500] ?? 0) ^ 1;
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('VALIDATION_FAILED attachmentId missing');
    expect(await put(slot, Buffer.alloc(0))).toBe(400);
    expect(await put(slot, bytes.subarray(1))).toBe(400);
    expect(await put(slot, Buffer.concat([bytes, Buffer.of(0)]))).toBe(413);
    expect(await chunked(bytes.subarray(1))).toBe(400);
    expect(await chunked(bytes, Buffer.of(0))).toBe(413);
    expect(await put(slot, changed)).toBe(400);
    expect(await put(slot, bytes, { 'content-encoding': 'gzip' })).toBe(415);
    expect(await storedFiles(server)).toEqual([]);
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('VALIDATION_FAILED attachmentId missing');

    const refusal = await fetch(slot.uploadUrl, { method: 'PUT', body: 'x' });
    expect([refusal.headers.get('content-type'), await refusal.json()]).toEqual([
      'application/json; charset=utf-8',
      { errors: [{ message: 'These are fewer bytes than were announced.', extensions: { code: 'BAD_REQUEST' } }] },
    ]);
    expect(await chunked(bytes.subarray(0, 70_000), bytes.subarray(70_000))).toBe(204);
    const completed = await change(ada, 'completeUpload', { attachmentId: slot.attachmentId }, 'attachment { url sha256 }');
    expect((await fetched(completed.attachment.url)).bytes.equals(bytes)).toBe(true);
  });

  it('may come again until it is completed, also at the same time; then it is what it is', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const versions = [0, 1, 2, 3].map((i) => Buffer.alloc(50_000, `version ${i}`));
    const slot = await slotFor(ada, { bytes: versions[0] as Buffer });
    expect(await Promise.all(versions.map((bytes) => put(slot, bytes)))).toEqual([204, 204, 204, 204]);
    expect(await put(slot, versions[2] as Buffer)).toBe(204);
    expect(await put(slot, (versions[3] as Buffer).subarray(1))).toBe(400);
    expect(await storedFiles(server)).toHaveLength(1);
    const complete = () => change(ada, 'completeUpload', { attachmentId: slot.attachmentId }, 'attachment { url sha256 }');
    const [first, second] = await Promise.all([complete(), complete()]);
    expect(first.attachment.sha256).toBe(sha256(versions[2] as Buffer).toString('hex'));
    expect(second.attachment.sha256).toBe(first.attachment.sha256);
    expect(await put(slot, versions[3] as Buffer)).toBe(409);
    expect((await complete()).attachment.sha256).toBe(first.attachment.sha256);
    expect((await fetched(first.attachment.url)).bytes.equals(versions[2] as Buffer)).toBe(true);
    expect(await storedFiles(server)).toHaveLength(1);
  });

  it('does not wait for one of before from which nothing comes any more', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const bytes = randomBytes(100_000);
    const slot = await slotFor(ada, { bytes });
    const { port, pathname, search } = new URL(slot.uploadUrl);
    // Two whose clients have gone without a word, one waiting for the other.
    const dead = [0, 1].map(() => {
      const socket = connect({ host: '127.0.0.1', port: Number(port) });
      socket.on('error', () => {});
      socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes.subarray(0, 10_000));
      return socket;
    });
    await expect.poll(async () => (await storedFiles(server)).length, { timeout: 5_000 }).toBe(1);
    const began = performance.now();
    expect(await put(slot, bytes)).toBe(204);
    expect(performance.now() - began).toBeLessThan(15_000);
    const answers = await Promise.all(dead.map((socket) => new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data).split('\r\n', 1)[0] as string)))));
    expect(answers).toEqual(['HTTP/1.1 409 Conflict', 'HTTP/1.1 409 Conflict']);
    for (const socket of dead) socket.destroy();
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('done');
  });

  it('that is too large is refused alike, however large it is, without being read', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const slot = await slotFor(ada, { bytes: randomBytes(1_000) });
    const { port, pathname, search } = new URL(slot.uploadUrl);
    const answerTo = async (length: number): Promise<[string | undefined, string | undefined]> => {
      const socket = connect({ host: '127.0.0.1', port: Number(port) });
      socket.on('error', () => {});
      // Only the beginning comes: whoever waits for more waits for ever.
      socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(500)}`);
      let answer = '';
      for await (const data of socket) answer += data;
      return [answer.split('\r\n', 1)[0], answer.split('\r\n\r\n').at(-1)];
    };
    const expected = [
      'HTTP/1.1 413 Payload Too Large',
      JSON.stringify({ errors: [{ message: 'These are more bytes than were announced.', extensions: { code: 'BAD_REQUEST' } }] }),
    ];
    for (const length of [1_001, 30_000_000, 3_000_000_000, 2 ** 45]) expect([length, ...(await answerTo(length))]).toEqual([length, ...expected]);
  });

  it('that is cut in the middle leaves nothing, and can be made again', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const bytes = randomBytes(1_000_000);
    const slot = await slotFor(ada, { bytes });
    for (const headers of [`Content-Length: ${bytes.length}`, 'Transfer-Encoding: chunked']) {
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(slot.uploadUrl).port) });
      const { pathname, search } = new URL(slot.uploadUrl);
      socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`);
      socket.write(headers.startsWith('T') ? Buffer.concat([text('61a80\r\n'), bytes.subarray(0, 400_000), text('\r\n')]) : bytes.subarray(0, 400_000));
      await expect.poll(async () => (await storedFiles(server)).length, { timeout: 5_000 }).toBe(1);
      socket.destroy();
      await expect.poll(() => storedFiles(server), { timeout: 5_000 }).toEqual([]);
    }
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('VALIDATION_FAILED attachmentId missing');
    expect(await put(slot, bytes)).toBe(204);
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('done');
  });

  it('is what its bytes say, and nothing that a browser could run', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const script = '<script>alert(1)</script>';
    const cases: [name: string, bytes: Buffer, announced: string, contentType: string, shown: 'inline' | 'attachment', image: boolean][] = [
      ['SVG', text(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${script}</svg>`), 'image/svg+xml', 'application/octet-stream', 'attachment', false],
      ['SVG called PNG', text(`<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`), 'image/png', 'application/octet-stream', 'attachment', false],
      ['XML', text(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`), 'image/svg+xml', 'application/octet-stream', 'attachment', false],
      ['HTML', text(`<!doctype html>${script}`), 'text/html', 'application/octet-stream', 'attachment', false],
      ['HTML called text', text(`<!doctype html>${script}`), 'text/plain', 'text/plain', 'attachment', false],
      ['HTML called JPEG', text(`<html>${script}`), 'image/jpeg', 'application/octet-stream', 'attachment', false],
      ['script', text('alert(1)'), 'text/javascript', 'application/octet-stream', 'attachment', false],
      ['GIF and script', text(`GIF89a/*${'x'.repeat(40)}*/=1;alert(1)`), 'text/javascript', 'image/gif', 'inline', false],
      ['JPEG and HTML', Buffer.concat([await photo(), text(script)]), 'text/html', 'image/jpeg', 'inline', true],
      ['PNG called HTML', await photo(9, 9, 'png'), 'text/html', 'image/png', 'inline', true],
      ['WebP', await photo(9, 9, 'webp'), 'image/webp', 'image/webp', 'inline', true],
      ['AVIF', await photo(32, 32, 'avif'), 'image/avif', 'image/avif', 'inline', true],
      ['PDF', text('%PDF-1.7\n%%EOF'), 'application/pdf', 'application/pdf', 'attachment', false],
      ['text', text('hello'), 'text/plain', 'text/plain', 'attachment', false],
      ['one byte', text('x'), 'application/x-anything', 'application/octet-stream', 'attachment', false],
    ];
    for (const [name, bytes, announced, contentType, shown, image] of cases) {
      const uploaded = await upload(ada, { bytes, contentType: announced, fileName: 'a.html' });
      const { headers } = await fetched(uploaded.url);
      expect([name, uploaded.contentType, headers.get('content-type'), headers.get('content-disposition')?.split(';')[0], uploaded.image !== null]).toEqual([
        name,
        contentType,
        contentType,
        shown,
        image,
      ]);
      expect([headers.get('x-content-type-options'), headers.get('content-security-policy')]).toEqual(['nosniff', expect.stringContaining('sandbox')]);
      if (image) await picture(uploaded.image.url);
    }
  });

  it('that is no whole picture, or one that would cost too much to open, is a file without one', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const whole = await photo(400, 400);
    const bomb = await sharp({ create: { width: 7_000, height: 7_000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    // Claims 60,000 by 60,000 in its header, and holds nothing.
    const claim = Buffer.from(await photo(9, 9, 'png'));
    claim.writeUInt32BE(60_000, 16);
    claim.writeUInt32BE(60_000, 20);
    for (const bytes of [whole.subarray(0, whole.length / 2), whole.subarray(0, 30), bomb, claim]) {
      const uploaded = await upload(ada, { bytes, contentType: 'image/png' });
      expect(uploaded.image).toBeNull();
      expect((await fetched(uploaded.url)).bytes.equals(bytes)).toBe(true);
    }
    const frames = await sharp(Buffer.alloc(40 * 40 * 3 * 500, 'frames'), { raw: { width: 40, height: 40 * 500, channels: 3, pageHeight: 40 } })
      .gif({ loop: 0, delay: 20 })
      .toBuffer();
    const animated = await upload(ada, { bytes: frames, contentType: 'image/gif' });
    expect(animated.image).toMatchObject({ width: 40, height: 40 });
    expect(await picture(animated.image.url)).toEqual({ width: 40, height: 40 });
  }, 60_000);

  it('counts against the quota of its account from its reservation to its end, however many come at once', async () => {
    await using server = await startTestServer({ UPLOAD_QUOTA_BYTES: '10000', MAX_ATTACHMENT_BYTES: '10000' });
    const [ada, ben] = some(await server.people(2));
    const reserve = (who: Person, size: number) =>
      change(who, 'requestUpload', { fileName: 'a', contentType: 'text/plain', size }, 'attachmentId uploadUrl').then((answer) => answer);
    const answers = await Promise.all(Array.from({ length: 20 }, () => reserve(ada, 1_000)));
    const slots = answers.filter(({ __typename }) => __typename === 'RequestUploadPayload') as unknown as Slot[];
    expect([slots.length, answers.filter(({ __typename }) => __typename === 'QuotaExceededError').length]).toEqual([10, 10]);
    const refused = await read(ada, 'mutation ($input: RequestUploadInput!) { requestUpload(input: $input) { ... on QuotaExceededError { code limit used httpStatus } } }', {
      input: { fileName: 'a', contentType: 'text/plain', size: 1 },
    });
    expect(refused).toEqual({ code: 'QUOTA_EXCEEDED', limit: 10_000, used: 10_000, httpStatus: 409 });
    expect((await reserve(ben, 10_000)).__typename).toBe('RequestUploadPayload');
    const [slot] = slots as [Slot];
    await put(slot, Buffer.alloc(1_000, 'x'));
    await change(ada, 'completeUpload', { attachmentId: slot.attachmentId });
    const { message } = await send(ada, { to: { username: ben.username }, attachmentIds: [slot.attachmentId] });
    expect((await reserve(ada, 1)).__typename).toBe('QuotaExceededError');
    await change(ada, 'deleteMessage', { messageId: message.id });
    expect((await reserve(ada, 1_000)).__typename).toBe('RequestUploadPayload');
    await server.restart({ UPLOAD_QUOTA_FILES: '10', UPLOAD_QUOTA_BYTES: '1000000' });
    expect((await reserve(ada, 1)).__typename).toBe('QuotaExceededError');
  });

  it('is not taken when the disk is nearly full', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const bytes = text('hello');
    const slot = await slotFor(ada, { bytes });
    await server.restart({ MIN_FREE_BYTES: String(Number.MAX_SAFE_INTEGER) });
    expect(await outcome(ada, 'requestUpload', { fileName: 'a', contentType: 'text/plain', size: 1 })).toBe('top: UNAVAILABLE');
    const url = new URL(slot.uploadUrl);
    expect(await put({ uploadUrl: server.url + url.pathname + url.search }, bytes)).toBe(503);
    await server.restart();
    expect(await put({ uploadUrl: server.url + url.pathname + url.search }, bytes)).toBe(204);
  });
});

it('an upload goes to the disk without being kept in memory', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path, MAX_ATTACHMENT_BYTES: '400000000', MIN_FREE_BYTES: '0' });
  const ada = await createPerson(server);
  const chunk = Buffer.alloc(1_000_000, 7);
  const size = 300 * chunk.length;
  const slot = await change(ada, 'requestUpload', { fileName: 'large', contentType: 'text/plain', size }, 'uploadUrl');
  const memory = (): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
  const before = platform() === 'linux' ? memory() : 0;
  let most = before;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (platform() === 'linux') most = Math.max(most, memory());
      if (sent === size) return controller.close();
      controller.enqueue(chunk);
      sent += chunk.length;
    },
  });
  expect((await fetch(slot.uploadUrl, { method: 'PUT', body, duplex: 'half' } as RequestInit)).status).toBe(204);
  expect(most - before).toBeLessThan(150);
  await ada.close();
});

describe('a link', () => {
  it('is good for exactly what it says: nothing in it can be changed or guessed', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const [own, other] = [await upload(ada, { bytes: await photo() }), await upload(ben, { bytes: await photo() })];
    // Two that the same person may have, and two slots: only the signature tells the one from the other.
    const another = await upload(ada, { bytes: await photo() });
    const otherSlot = await slotFor(ben, { bytes: text('x'), sha256: sha256(text('x')).toString('hex') });
    const slot = await slotFor(ada, { bytes: text('x'), sha256: sha256(text('x')).toString('hex') });
    const changed = (url: string, change: (parts: { path: string[]; query: URLSearchParams }) => void): string => {
      const at = new URL(url);
      const parts = { path: at.pathname.split('/'), query: at.searchParams };
      change(parts);
      return `${at.origin}${parts.path.join('/')}?${parts.query}`;
    };
    const absent = await fetched(`${server.url}/files/987654/content?expires=1&viewer=1&signature=${'A'.repeat(43)}`);
    expect(absent.status).toBe(404);
    const flip = (signature: string): string => `${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`;
    const downloads = [own.url, own.image.url].flatMap((url) => [
      changed(url, ({ path }) => void (path[2] = keyOf(other.id))),
      changed(url, ({ path }) => void (path[2] = keyOf(another.id))),
      changed(url, ({ path, query }) => {
        path[2] = keyOf(other.id);
        query.set('viewer', keyOf(ben.id));
      }),
      changed(url, ({ path }) => void (path[3] = path[3] === 'content' ? '64' : 'content')),
      changed(url, ({ path }) => void (path[3] = '128')),
      changed(url, ({ path }) => void (path[3] = 'upload')),
      changed(url, ({ query }) => query.set('viewer', keyOf(ben.id))),
      changed(url, ({ query }) => query.delete('viewer')),
      changed(url, ({ query }) => query.set('expires', String(Number(query.get('expires')) + 1))),
      changed(url, ({ query }) => query.set('signature', flip(query.get('signature') as string))),
      changed(url, ({ query }) => query.delete('signature')),
      changed(url, ({ query }) => query.append('x', 'y')),
      url.slice(0, -1),
      url.split('?')[0] as string,
      `${server.url}/files/`,
      // As they are sent: what `fetch` would resolve by itself is asked for below.
      `${server.url}/files/..%2f..%2fetc%2fpasswd`,
      `${server.url}/files/${keyOf(own.id)}/..%2f..%2fcontent`,
    ]);
    for (const url of downloads) {
      const { status, headers, bytes } = await fetched(url);
      expect([url, status, String(bytes)]).toEqual([url, 404, String(absent.bytes)]);
      expect([headers.get('etag'), headers.get('content-disposition')]).toEqual([null, null]);
    }
    expect(await rawStatus(server, '/files/../../etc/passwd')).toBe(404);
    const uploads = [
      changed(slot.uploadUrl, ({ path }) => void (path[2] = keyOf(otherSlot.attachmentId))),
      changed(slot.uploadUrl, ({ query }) => query.delete('sha256')),
      changed(slot.uploadUrl, ({ query }) => query.set('sha256', '0'.repeat(64))),
      changed(slot.uploadUrl, ({ query }) => query.set('expires', String(Number(query.get('expires')) + 60))),
      own.url,
    ];
    for (const uploadUrl of uploads) expect([uploadUrl, await put({ uploadUrl }, text('x'))]).toEqual([uploadUrl, uploadUrl === own.url ? 405 : 404]);
    expect((await fetched(slot.uploadUrl)).status).toBe(405);
    expect((await fetched(own.url, { method: 'DELETE' })).status).toBe(405);
    expect((await fetched(own.url)).status).toBe(200);
  });

  it('ends with its time', async () => {
    await using server = await startTestServer({ FILE_URL_SECONDS: '2', UPLOAD_SECONDS: '1' });
    const [ada] = some(await server.people(1));
    const own = await upload(ada, { bytes: await photo() });
    const slot = await slotFor(ada, { bytes: text('x') });
    expect((await fetched(own.url)).status).toBe(200);
    expect(Date.parse(own.urlExpiresAt) - Date.now()).toBeLessThanOrEqual(2_000);
    await expect.poll(async () => (await fetched(own.url)).status, { timeout: 6_000 }).toBe(404);
    expect((await fetched(own.image.url)).status).toBe(404);
    expect(await put(slot, text('x'))).toBe(404);
    expect((await fetched((await read(ada, 'query ($id: ID!) { node(id: $id) { ... on Attachment { url } } }', { id: own.id })).url)).status).toBe(200);
  });

  it('ends with the right to read the message', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = some(await server.people(3));
    const room = await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
    const { message } = await send(ada, { to: { chatId: room.id }, attachmentIds: [(await upload(ada, { bytes: await photo() })).id] });
    const linksOf = async (who: Person): Promise<string[]> => ((await attachmentsOf(who, message.id)) ?? []).flatMap((each) => [each.url, each.image.url]);
    const statuses = async (urls: string[]): Promise<number[]> => Promise.all(urls.map(async (url) => (await fetched(url)).status));
    const [adas, bens] = [await linksOf(ada), await linksOf(ben)];
    expect(await statuses([...adas, ...bens])).toEqual([200, 200, 200, 200]);
    expect(await attachmentsOf(cleo, message.id)).toBeNull();
    const attachmentId = message.attachments[0].id;
    const seen = (who: Person) => read(who, 'query ($id: ID!) { node(id: $id) { id } }', { id: attachmentId });
    expect([await seen(ben), await seen(cleo)]).toEqual([{ id: attachmentId }, null]);

    await change(ada, 'removeMember', { roomId: room.id, userId: ben.id });
    expect(await statuses([...adas, ...bens])).toEqual([200, 200, 404, 404]);
    expect(await seen(ben)).toBeNull();
    await change(ada, 'addMembers', { roomId: room.id, users: [{ id: ben.id }] });
    expect(await statuses(bens)).toEqual([200, 200]);
    // Who uploaded it has no more right to it than others.
    await change(ada, 'setMemberRole', { roomId: room.id, userId: ben.id, role: 'OWNER' });
    expect(await outcome(ada, 'completeUpload', { attachmentId })).toBe('done');
    await change(ada, 'leaveChat', { chatId: room.id });
    expect(await outcome(ada, 'completeUpload', { attachmentId })).toBe('NOT_FOUND Attachment');
    expect(await statuses([...adas, ...bens])).toEqual([404, 404, 200, 200]);
    await change(ben, 'deleteMessage', { messageId: message.id });
    expect(await statuses([...adas, ...bens])).toEqual([404, 404, 404, 404]);
    expect(await attachmentsOf(ben, message.id)).toEqual([]);
    await expect.poll(() => storedFiles(server), { timeout: 5_000 }).toEqual([]);
    expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, attachmentIds: [attachmentId] })).toBe('NOT_FOUND Attachment');
  });

  it('to a file in a room that was deleted leads nowhere, and the file goes', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const room = await ada.createRoom();
    const { message } = await send(ada, { to: { chatId: room.id }, attachmentIds: [(await upload(ada, { bytes: await photo() })).id] });
    await change(ada, 'deleteRoom', { roomId: room.id });
    expect((await fetched(message.attachments[0].url)).status).toBe(404);
    // With the first round after a start at the latest.
    await server.restart();
    await expect.poll(() => storedFiles(server), { timeout: 5_000 }).toEqual([]);
    // The rows go behind the files.
    await expect.poll(async () => (await server.app.db.sql.all('SELECT 1 FROM "Attachment"', [])).length).toBe(0);
  });

  it('to an upload that is in no message is its uploader’s own', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const slot = await slotFor(ada, { bytes: text('x') });
    await put(slot, text('x'));
    for (const attachmentId of [slot.attachmentId, id('Attachment', 987_654), id('Attachment', 0), id('User', 1), '', 'garbage', '\0', '9'.repeat(50)])
      expect([attachmentId, await outcome(ben, 'completeUpload', { attachmentId })]).toEqual([attachmentId, 'NOT_FOUND Attachment']);
    expect(await outcome(ada, 'completeUpload', { attachmentId: slot.attachmentId })).toBe('done');
    const node = 'query ($id: ID!) { node(id: $id) { id } }';
    expect([await sight(ada, node, { id: slot.attachmentId }), await sight(ben, node, { id: slot.attachmentId })]).toEqual(['there', 'null']);
    expect(await sight(bearer(server, 'x'), node, { id: slot.attachmentId })).toBe('top: TOKEN_INVALID');
  });

  it('works with Range, ETag and HEAD, and for pages of known origins', async () => {
    await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example.org' });
    const [ada] = some(await server.people(1));
    const bytes = Buffer.from('0123456789');
    const [{ url }, { image }] = [await upload(ada, { bytes }), await upload(ada, { bytes: await photo() })] as [Untyped, Untyped];
    const part = async (range: string, more: Record<string, string> = {}) => {
      const answer = await fetched(url, { headers: { range, ...more } });
      return [answer.status, answer.headers.get('content-range'), answer.status === 416 ? '' : String(answer.bytes)];
    };
    expect(await part('bytes=2-4')).toEqual([206, 'bytes 2-4/10', '234']);
    expect(await part('bytes=8-')).toEqual([206, 'bytes 8-9/10', '89']);
    expect(await part('bytes=-3')).toEqual([206, 'bytes 7-9/10', '789']);
    expect(await part('bytes=-30')).toEqual([206, 'bytes 0-9/10', '0123456789']);
    expect(await part('bytes=5-100')).toEqual([206, 'bytes 5-9/10', '56789']);
    expect(await part('bytes=10-')).toEqual([416, 'bytes */10', '']);
    expect(await part('bytes=-0')).toEqual([416, 'bytes */10', '']);
    for (const ignored of ['bytes=4-2', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=-', 'bytes=a-b'])
      expect([ignored, ...(await part(ignored))]).toEqual([ignored, 200, null, '0123456789']);
    const { headers } = await fetched(url, { method: 'HEAD' });
    const etag = headers.get('etag') as string;
    expect([headers.get('content-length'), headers.get('accept-ranges')]).toEqual(['10', 'bytes']);
    expect(await part('bytes=2-4', { 'if-range': etag })).toEqual([206, 'bytes 2-4/10', '234']);
    expect(await part('bytes=2-4', { 'if-range': '"other"' })).toEqual([200, null, '0123456789']);
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) expect((await fetched(url, { headers: { 'if-none-match': tag } })).status).toBe(304);
    const shown = await fetched(image.url);
    expect((await fetched(image.url, { headers: { 'if-none-match': shown.headers.get('etag') as string } })).status).toBe(304);
    expect((await fetched(image.url, { method: 'HEAD' })).headers.get('content-length')).toBe(String(shown.bytes.length));

    const origin = 'https://app.example.org';
    const preflight = await fetched(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin'), preflight.headers.get('access-control-allow-methods')]).toEqual([
      204,
      origin,
      'GET, HEAD, PUT',
    ]);
    expect((await fetched(url, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe(origin);
    expect((await fetched(`${url}x`, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe(origin);
    expect((await fetched(url, { headers: { origin: 'https://evil.example' } })).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('names the public address of the server, or the one that the client reached', async () => {
    await using server = await startTestServer({ PUBLIC_URL: 'https://chat.example.org' });
    const [ada] = some(await server.people(1));
    expect((await slotFor(ada, { bytes: text('x') })).uploadUrl).toMatch(/^https:\/\/chat\.example\.org\/files\/\d+\/upload\?/);
    await server.restart({ PUBLIC_URL: '' });
    expect((await slotFor(ada, { bytes: text('x') })).uploadUrl).toMatch(new RegExp(`^${server.url}/files/\\d+/upload\\?`));
  });
});

describe('what is over', () => {
  it('is swept: slots that nobody filled, uploads that nobody used', async () => {
    await using server = await startTestServer({ UPLOAD_SECONDS: '1', UNUSED_UPLOAD_SECONDS: '1' });
    const [ada, ben] = some(await server.people(2));
    await slotFor(ada, { bytes: text('never sent') });
    await put(await slotFor(ada, { bytes: text('not completed') }), text('not completed'));
    const unused = await upload(ada, { bytes: await photo() });
    const { message } = await send(ada, { to: { username: ben.username }, attachmentIds: [(await upload(ada, { bytes: text('kept') })).id] });
    const rows = () => server.app.db.sql.all('SELECT 1 FROM "Attachment"', []);
    expect(await rows()).toHaveLength(4);
    await new Promise((later) => setTimeout(later, 2_100));
    expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, attachmentIds: [unused.id] })).toBe('NOT_FOUND Attachment');
    await server.restart();
    await expect.poll(async () => [(await rows()).length, (await storedFiles(server)).length], { timeout: 5_000 }).toEqual([1, 1]);
    const [kept] = (await attachmentsOf(ben, message.id)) as [Untyped];
    expect(String((await fetched(kept.url)).bytes)).toBe('kept');
  });

  it('is swept, too, when a process died at it: parts of uploads, and bytes that no row knows', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const { url } = await upload(ada, { bytes: text('known') });
    const [known] = (await storedFiles(server)) as [string];
    const folder = join(server.dataDir, 'files');
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const shard = (await readdir(folder)).find((name) => name !== 'coming') as string;
    const strays = [join(folder, 'coming', `${'a'.repeat(32)}-x`), join(folder, shard, `${shard}${'0'.repeat(30)}`), join(folder, shard, `${shard}${'0'.repeat(30)}.64`)];
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const path of strays) {
      await writeFile(path, 'left behind');
      await utimes(path, old, old);
    }
    await utimes(join(folder, shard, known), old, old);
    await writeFile(join(folder, 'coming', `${'b'.repeat(32)}-x`), 'still being written');
    for (let part = 0; part < 256; part++) await server.app.files.sweep();
    expect((await storedFiles(server)).sort()).toEqual([known, `coming/${'b'.repeat(32)}-x`].sort());
    // Somebody else's files: nothing of them is known here, and nothing of them is ours to remove.
    await writeFile(join(folder, 'installation'), 'another');
    await server.restart();
    await writeFile(strays[1] as string, 'of another installation');
    await utimes(strays[1] as string, old, old);
    for (let part = 0; part < 256; part++) await server.app.files.sweep();
    expect(await storedFiles(server)).toHaveLength(3);
    const { pathname, search } = new URL(url);
    expect((await fetched(server.url + pathname + search)).status).toBe(200);
  });
});

it('a server does not start without a place for files, and says so', async () => {
  await using server = await startTestServer();
  await server.stop();
  await rm(join(server.dataDir, 'files'), { recursive: true });
  await writeFile(join(server.dataDir, 'files'), 'not a folder');
  await expect(server.restart()).rejects.toThrow('The folder files in DATA_DIR cannot be used');
  await rm(join(server.dataDir, 'files'));
  await server.restart();
  expect((await server.person()).id).toBeTypeOf('string');
});

it('tells clients what it takes', async () => {
  await using server: TestServer = await startTestServer({ MAX_ATTACHMENT_BYTES: '12345' });
  const [ada] = some(await server.people(1));
  expect(await read(ada, '{ serverInfo { capabilities limits { maxAttachmentBytes maxAttachmentsPerMessage } } }')).toMatchObject({
    capabilities: expect.arrayContaining(['ATTACHMENTS']),
    limits: { maxAttachmentBytes: 12_345, maxAttachmentsPerMessage: 10 },
  });
});
