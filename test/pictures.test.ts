/** Pictures of people and rooms: set, seen by who may see them, replaced, and gone. */
import sharp from 'sharp';
import { expect, it, vi } from 'vitest';
import { bearer, change, nobody, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';
import { fetched, put, slotFor, storedFiles, upload } from './kit/upload.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const portrait = (background: string, width = 300, height = 400): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
const image = 'avatar { id url expiresAt width height }';
const avatarOf = async (who: Person, of: Person): Promise<Untyped | null> => (await read(who, `query ($id: ID!) { user(ref: { id: $id }) { ${image} } }`, { id: of.id })).avatar;
const roomAvatar = async (who: Person, room: { id: string }): Promise<Untyped | null> =>
  (await read(who, `query ($id: ID!) { chat(id: $id) { ${image} } }`, { id: room.id }))?.avatar ?? null;
const status = async (url: string): Promise<number> => (await fetched(url)).status;
/** Of a picture in one colour, which one. */
const colourOf = async (url: string): Promise<string> => {
  const { bytes } = await fetched(url);
  const { dominant } = await sharp(bytes).stats();
  return dominant.r > 128 ? 'red' : dominant.g > 100 ? 'green' : 'blue';
};
const setPicture = (who: Person, attachmentId: string | null) => change(who, 'setProfilePicture', { attachmentId }, `me { id ${image} }`);

it('a person’s picture is seen by everybody signed in, in the size asked for, and they are told of another one', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const live = await ben.follow(`subscription { events { __typename ... on UserUpdated { user { id ${image} } } } }`);
  const uploaded = await upload(ada, { bytes: await portrait('red'), contentType: 'image/jpeg', fileName: 'me.jpg' });
  expect(await avatarOf(ben, ada)).toBeNull();
  const { me } = await setPicture(ada, uploaded.id);
  expect(me.avatar).toMatchObject({ id: uploaded.image.id, width: 300, height: 400 });
  const heard = (await live.next('UserUpdated')).user;
  expect(heard).toMatchObject({ id: ada.id, avatar: { id: me.avatar.id } });
  const { url } = await read(ben, 'query ($id: ID!) { user(ref: { id: $id }) { avatar { url(width: 48) } } }', { id: ada.id }).then((user) => user.avatar);
  expect(await sharp((await fetched(url)).bytes).metadata()).toMatchObject({ format: 'webp', width: 48, height: 64 });
  expect(await colourOf(heard.avatar.url)).toBe('red');
  // Again is fine, and tells nobody.
  await setPicture(ada, uploaded.id);
  expect((await change(ada, 'updateProfile', { firstName: 'Ada' }, 'me { avatar { id } }')).me.avatar.id).toBe(me.avatar.id);
  expect((await live.until('UserUpdated')).length).toBe(1);

  const other = await upload(ada, { bytes: await portrait('green') });
  await setPicture(ada, other.id);
  const now = (await live.next('UserUpdated')).user.avatar;
  expect(now.id).not.toBe(me.avatar.id);
  expect(await colourOf(now.url)).toBe('green');
  expect([await status(heard.avatar.url), await status(url), await status(uploaded.url)]).toEqual([404, 404, 404]);
  await expect.poll(() => storedFiles(server), { timeout: 5_000 }).toHaveLength(3);

  expect((await setPicture(ada, null)).me.avatar).toBeNull();
  expect((await live.next('UserUpdated')).user.avatar).toBeNull();
  expect(await status(now.url)).toBe(404);
  await expect.poll(() => storedFiles(server), { timeout: 5_000 }).toEqual([]);
});

it('a picture is a whole image of one’s own that is not in use', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const slot = await slotFor(ada, { bytes: await portrait('red') });
  const refused = async (attachmentId: string, expected: string): Promise<void> => {
    expect([attachmentId, await outcome(ada, 'setProfilePicture', { attachmentId })]).toEqual([attachmentId, expected]);
    expect([attachmentId, await outcome(ada, 'createRoom', { name: 'x', avatarAttachmentId: attachmentId })]).toEqual([
      attachmentId,
      expected.replace(/^(VALIDATION_FAILED) \w+/, '$1 avatarAttachmentId'),
    ]);
  };
  await refused(slot.attachmentId, 'NOT_FOUND Attachment');
  await put(slot, await portrait('red'));
  await refused(slot.attachmentId, 'NOT_FOUND Attachment');
  await change(ada, 'completeUpload', { attachmentId: slot.attachmentId });
  await refused((await upload(ben, { bytes: await portrait('red') })).id, 'NOT_FOUND Attachment');
  for (const garbage of ['', 'garbage', ben.id, Buffer.from('Attachment:987654').toString('base64')]) await refused(garbage, 'NOT_FOUND Attachment');
  for (const bytes of [Buffer.from('text'), (await portrait('red')).subarray(0, 300)])
    await refused((await upload(ada, { bytes, contentType: 'image/jpeg' })).id, 'VALIDATION_FAILED attachmentId image');
  const used = await upload(ada, { bytes: await portrait('red') });
  await change(ada, 'sendMessage', { to: { username: ben.username }, attachmentIds: [used.id] });
  await refused(used.id, 'NOT_FOUND Attachment');
  expect(await outcome(ada, 'setProfilePicture', { attachmentId: slot.attachmentId })).toBe('done');
  expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, attachmentIds: [slot.attachmentId] })).toBe('NOT_FOUND Attachment');
  expect(await outcome(ada, 'createRoom', { name: 'x', avatarAttachmentId: slot.attachmentId })).toBe('NOT_FOUND Attachment');
  expect((await read(ada, '{ rooms { totalCount } }')).totalCount).toBe(0);
  // One picture, many wishes at once.
  const wanted = await upload(ada, { bytes: await portrait('red') });
  const results = await Promise.all([
    outcome(ada, 'setProfilePicture', { attachmentId: wanted.id }),
    outcome(ada, 'createRoom', { name: 'x', avatarAttachmentId: wanted.id }),
    outcome(ada, 'sendMessage', { to: { username: ben.username }, attachmentIds: [wanted.id] }),
  ]);
  expect(results.sort()).toEqual(['NOT_FOUND Attachment', 'NOT_FOUND Attachment', 'done']);
});

it('a picture tells nobody where it was taken: only who uploaded it can fetch the file itself', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const bytes = await sharp(await portrait('red'))
    .withExif({ IFD0: { Copyright: 'at home, 1 Secret Street' } })
    .jpeg()
    .toBuffer();
  expect(bytes.includes('Secret Street')).toBe(true);
  const { id } = await upload(ada, { bytes });
  await setPicture(ada, id);
  const file = 'query ($id: ID!) { node(id: $id) { ... on Attachment { url } } }';
  expect((await fetched((await read(ada, file, { id })).url)).bytes.equals(bytes)).toBe(true);
  expect(await read(ben, file, { id })).toBeNull();
  const seen = await fetched((await avatarOf(ben, ada))?.url);
  expect([seen.status, seen.bytes.includes('Secret Street')]).toEqual([200, false]);
});

it('a dialog shows the other’s picture, a room its own, to whoever can see it', async () => {
  await using server = await startTestServer();
  const [ada, ben, cleo] = some(await server.people(3));
  await setPicture(ben, (await upload(ben, { bytes: await portrait('blue') })).id);
  await setPicture(ada, (await upload(ada, { bytes: await portrait('green') })).id);
  const dialog = async (who: Person, peer: Person) =>
    (await read(who, `query ($with: String!) { dialog(with: { username: $with }) { ${image} } }`, { with: peer.username })).avatar;
  expect([await colourOf((await dialog(ada, ben)).url), await colourOf((await dialog(ben, ada)).url), await dialog(ada, cleo)]).toEqual(['blue', 'green', null]);

  const first = await upload(ada, { bytes: await portrait('red') });
  const input = { name: 'A room', visibility: 'PRIVATE', members: [{ id: ben.id }], avatarAttachmentId: first.id, clientRequestId: 'r1' };
  const { room } = await change(ada, 'createRoom', input, `room { id ${image} }`);
  expect(room.avatar).toMatchObject({ id: first.image.id });
  expect((await change(ada, 'createRoom', input, `duplicate room { id ${image} }`)).room.avatar.id).toBe(room.avatar.id);
  const live = await ben.follow(`subscription { events { __typename ... on ChatUpdated { chat { id ${image} } } } }`);
  const bens = (await roomAvatar(ben, room))?.url;
  expect([await colourOf(bens), await roomAvatar(cleo, room)]).toEqual(['red', null]);
  expect(await outcome(ben, 'updateRoom', { roomId: room.id, avatarAttachmentId: (await upload(ben, { bytes: await portrait('blue') })).id })).toBe('FORBIDDEN ROLE_TOO_LOW');

  const second = await upload(ada, { bytes: await portrait('green') });
  const update = (more: Untyped) => change(ada, 'updateRoom', { roomId: room.id, ...more }, `room { id name ${image} }`);
  expect((await update({ avatarAttachmentId: second.id })).room.avatar.id).toBe(second.image.id);
  expect((await live.next('ChatUpdated')).chat).toMatchObject({ id: room.id, avatar: { id: second.image.id } });
  expect([await status(bens), await colourOf((await roomAvatar(ben, room))?.url)]).toEqual([404, 'green']);
  expect((await update({ avatarAttachmentId: second.id })).room.avatar.id).toBe(second.image.id);
  expect((await update({ name: 'Another name' })).room).toMatchObject({ name: 'Another name', avatar: { id: second.image.id } });
  expect(await outcome(ada, 'updateRoom', { roomId: room.id, avatarAttachmentId: (await upload(ada, { bytes: Buffer.from('text') })).id })).toBe(
    'VALIDATION_FAILED avatarAttachmentId image',
  );

  const held = (await roomAvatar(ben, room))?.url;
  await change(ada, 'removeMember', { roomId: room.id, userId: ben.id });
  expect([await status(held), await roomAvatar(ben, room)]).toEqual([404, null]);
  await update({ visibility: 'PUBLIC', password: 'sesame' });
  expect([await status(held), await colourOf((await roomAvatar(cleo, room))?.url)]).toEqual([200, 'green']);
  const shown = (await update({ avatarAttachmentId: null })).room;
  expect([shown.avatar, await status(held)]).toEqual([null, 404]);

  await update({ avatarAttachmentId: (await upload(ada, { bytes: await portrait('blue') })).id });
  const last = (await roomAvatar(cleo, room))?.url;
  await change(ada, 'deleteRoom', { roomId: room.id });
  expect(await status(last)).toBe(404);
  await server.restart();
  const rows = () => server.app.db.sql.all<{ state: string }>('SELECT "id" FROM "Attachment" WHERE "expiresAt" IS NULL', []);
  await expect.poll(async () => (await rows()).length, { timeout: 5_000 }).toBe(2);
});

it('has everybody’s pictures in turn: who sends many heavy ones waits for them, not the others', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const heavy = await sharp({ create: { width: 6_000, height: 6_000, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const slotsOf = async (who: Person, bytes: Buffer, count: number) => {
    const slots = await Promise.all(Array.from({ length: count }, () => slotFor(who, { bytes, contentType: 'image/png' })));
    for (const slot of slots) await put(slot, bytes);
    return slots.map(({ attachmentId }) => attachmentId);
  };
  const order: string[] = [];
  const complete = async (who: Person, name: string, attachmentId: string): Promise<string> => {
    const came = await outcome(who, 'completeUpload', { attachmentId });
    order.push(name);
    return came;
  };
  const [many, light, own] = [await slotsOf(ada, heavy, 22), await slotsOf(ben, await portrait('blue'), 1), await slotsOf(ben, heavy, 1)];
  const all = many.map((id) => complete(ada, 'ada', id));
  // One is at work, twenty wait.
  await vi.waitUntil(() => order.length > 0, { interval: 1, timeout: 10_000 });
  const mine = [complete(ben, 'light', light[0] as string), complete(ben, 'heavy', own[0] as string)];
  expect(await Promise.all(mine)).toEqual(['done', 'done']);
  expect(order.filter((name) => name === 'ada').length).toBeLessThan(10);
  expect(order.indexOf('light')).toBeLessThan(order.indexOf('heavy'));
  const outcomes = await Promise.all(all);
  expect(outcomes.filter((each) => each === 'top: UNAVAILABLE').length).toBeGreaterThan(0);
  expect(new Set(outcomes)).toEqual(new Set(['done', 'top: UNAVAILABLE']));
});

it('shows somebody a page of many new pictures', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const bytes = await portrait('green', 1_200, 900);
  const urls: string[] = [];
  for (let made = 0; made < 40; made++) {
    const { id } = await upload(ada, { bytes });
    urls.push((await read(ada, 'query ($id: ID!) { node(id: $id) { ... on Attachment { image { url(width: 500) } } } }', { id })).image.url);
  }
  expect(new Set(await Promise.all(urls.map(status)))).toEqual(new Set([200]));
});

it('refuses what waits for its turn when the server stops', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const bytes = await sharp({ create: { width: 6_000, height: 6_000, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const slots = await Promise.all(Array.from({ length: 15 }, () => slotFor(ada, { bytes })));
  for (const slot of slots) await put(slot, bytes);
  const outcomes = Promise.all(slots.map(({ attachmentId }) => outcome(ada, 'completeUpload', { attachmentId })));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await server.stop();
  const came = await outcomes;
  expect(new Set(came)).toEqual(new Set(['done', 'top: UNAVAILABLE']));
  expect(came.filter((each) => each === 'done').length).toBeLessThan(10);
  await server.restart();
  expect(await outcome(ada, 'completeUpload', { attachmentId: slots.at(-1)?.attachmentId })).toBe('done');
});

it('tells the others of a dialog that its name and picture have changed, and nobody else', async () => {
  await using server = await startTestServer();
  const [ada, ben, eve] = some(await server.people(3));
  const { message } = await ada.send({ username: ben.username }, 'hello');
  await ada.send({ username: eve.username }, 'hello');
  const document =
    'subscription ($filter: EventFilterInput) { events(filter: $filter) { __typename ... on ChatUpdated { chat { id name avatar { id } } } ... on MessageAdded { message { text } } } }';
  const stranger = await (await server.person()).follow(document);
  const elsewhere = await eve.follow(document, { filter: { chatIds: [message.chat.id] } });
  const stream = await ben.follow(document);
  const { id } = await upload(ada, { bytes: await portrait('red') });
  const { me } = await setPicture(ada, id);
  expect((await stream.next('ChatUpdated')).chat).toEqual({ id: message.chat.id, name: ada.username, avatar: { id: me.avatar.id } });
  await change(ada, 'updateProfile', { displayName: 'Ada L.' });
  expect((await stream.next('ChatUpdated')).chat).toEqual({ id: message.chat.id, name: 'Ada L.', avatar: { id: me.avatar.id } });
  await change(ada, 'deleteAccount', { password: 'correct horse battery', messages: 'ANONYMIZE' });
  expect((await stream.next('ChatUpdated')).chat).toEqual({ id: message.chat.id, name: 'Deleted account', avatar: null });
  for (const other of [stranger, elsewhere]) expect(other.items.filter(({ __typename }) => __typename === 'ChatUpdated')).toEqual([]);
});

it('the answer that signs somebody in shows their own picture', async () => {
  await using server = await startTestServer();
  const [ada] = some(await server.people(1));
  await setPicture(ada, (await upload(ada, { bytes: await portrait('red') })).id);
  const { auth } = await change(nobody(server), 'login', { login: ada.username, password: ada.password }, `auth { accessToken me { ${image} } }`);
  expect(await colourOf(auth.me.avatar.url)).toBe('red');
  expect((await read(bearer(server, auth.accessToken), `{ me { ${image} } }`)).avatar.id).toBe(auth.me.avatar.id);
});
