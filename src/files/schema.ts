/** Files and pictures as clients see them: uploads, what is in messages, and the pictures of people and rooms. */
import { loadUser, User } from '../accounts/schema.ts';
import { peerOf } from '../chats/chats.ts';
import { Chat, Dialog } from '../chats/schema.ts';
import { notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { type AttachmentId, type MessageId, numberOf, toGlobalId } from '../ids.ts';
import { Message } from '../messages/schema.ts';
import type { AttachmentRow, ChatRow } from '../storage/rows.ts';
import type { Files } from './files.ts';
import { pictureSizeFor, pictureSizes } from './images.ts';
import type { Uploads } from './uploads.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    files: Files;
    uploads: Uploads;
  }
}

type Wanted = { width: number | null; height: number | null };

/** A link for whoever asks. */
function linkTo(row: AttachmentRow, wanted: Wanted | null, context: Context): { url: string; expiresAt: Date } {
  const { userId } = mustBeSignedIn(context);
  const size = wanted && pictureSizeFor(row as typeof row & { width: number; height: number }, wanted);
  const { path, expiresAt } = context.app.files.linkTo(row.id, userId, size);
  return { url: context.client.baseUrl + path, expiresAt };
}

const Image = builder.objectRef<AttachmentRow>('Image').implement({
  description: 'A picture that can be had in several sizes. What is sent is WebP, upright, the first frame only, and without what the file tells of place, time and camera.',
  fields: (t) => ({
    id: t.id({ description: 'Another picture is another id; sizes of two pictures never mix in a cache.', resolve: (row) => toGlobalId('Image', row.id) }),
    url: t.field({
      type: 'URL',
      description: `Where the caller may fetch it: signed, short-lived, and needing no token; ask again when \`expiresAt\` has passed. In the smallest of the sizes
${pictureSizes.join(', ')} (the longer side, in pixels) that fills \`width\` and \`height\`; without both, the largest. Never larger than the picture itself.`,
      args: {
        width: t.arg.int({ description: 'How wide it is shown, in pixels of the device.' }),
        height: t.arg.int({ description: 'How high it is shown, in pixels of the device.' }),
      },
      resolve: (picture, { width, height }, context) => linkTo(picture, { width: width ?? null, height: height ?? null }, context).url,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when `url` works.',
      resolve: (picture, _args, context) => linkTo(picture, null, context).expiresAt,
    }),
    width: t.int({ nullable: true, description: 'Width of the picture as it was uploaded, seen upright.', resolve: (row) => row.width }),
    height: t.int({ nullable: true, description: 'Height of the picture as it was uploaded, seen upright.', resolve: (row) => row.height }),
  }),
});

export const Attachment = builder.objectRef<AttachmentRow>('Attachment');
Attachment.implement({
  description: 'A file in a message, or one that its uploader is about to use.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: (row) => toGlobalId('Attachment', row.id) }),
    fileName: t.exposeString('fileName', { description: 'A name to show and to save it under: no folders, nothing invisible.' }),
    contentType: t.exposeString('contentType', {
      description: 'What its bytes say it is. `application/octet-stream` when they say nothing, or something that a browser could run, such as HTML or SVG.',
    }),
    size: t.exposeInt('size', { description: 'In bytes.' }),
    url: t.field({
      type: 'URL',
      description: 'Signed, short-lived download URL for the caller: needs no token, works with Range, and ends with the right to read the message.',
      resolve: (row, _args, context) => linkTo(row, null, context).url,
    }),
    urlExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when `url` works.',
      resolve: (row, _args, context) => linkTo(row, null, context).expiresAt,
    }),
    image: t.field({
      type: Image,
      nullable: true,
      description: 'The picture, when the file is one that the server can show: JPEG, PNG, GIF, WebP or AVIF, whole, of up to 40 megapixels.',
      resolve: (row) => (row.width === null ? null : row),
    }),
    sha256: t.exposeString('sha256', { nullable: true, description: 'SHA-256 of its bytes, 64 hexadecimal digits.' }),
    uploadedBy: t.field({ type: User, nullable: true, description: 'Who uploaded it.', resolve: (row, _args, context) => loadUser(context, row.uploaderId) }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the upload was requested.' }),
  }),
});

// ---------------------------------------------------------------- where files and pictures are

builder.objectField(Message, 'attachments', (t) =>
  t.field({
    type: [Attachment],
    // Few messages have as many as they may.
    complexity: { field: 1, multiplier: 4 },
    description: 'Its files, in the order in which the sender put them; none when it was deleted.',
    resolve: async (message, _args, context) =>
      (message.deletedAt === null && (await sharedLoader<MessageId, AttachmentRow[]>(context, 'attachments', (ids) => context.app.files.ofMessages(ids)).load(message.id))) || [],
  }),
);

async function loadPicture(context: Context, id: AttachmentId | null): Promise<AttachmentRow | null> {
  if (id === null) return null;
  const row = await sharedLoader<AttachmentId, AttachmentRow>(context, 'pictures', (ids) => context.app.files.findRows(ids)).load(id);
  return row?.state === 'COMPLETE' ? row : null;
}

builder.objectField(User, 'avatar', (t) =>
  t.field({
    type: Image,
    nullable: true,
    description: 'Picture of the person, for everybody signed in; null when there is none.',
    resolve: (user, _args, context) => loadPicture(context, user.avatarId),
  }),
);

builder.interfaceFields(Chat, (t) => ({
  avatar: t.field({
    type: Image,
    nullable: true,
    description: "The room's picture, or that of the other user; null when there is none.",
    resolve: (chat, _args, context) => loadPicture(context, chat.avatarId),
  }),
}));
builder.objectField(Dialog, 'avatar', (t) =>
  t.field({
    type: Image,
    nullable: true,
    description: 'Picture of the other user; null when there is none.',
    resolve: async (chat: Pick<ChatRow, 'lowUserId' | 'highUserId'>, _args, context) => {
      const peer = await loadUser(context, peerOf(chat, mustBeSignedIn(context).userId));
      return peer && loadPicture(context, peer.avatarId);
    },
  }),
);

// ---------------------------------------------------------------- uploading

const HttpHeader = builder.objectRef<{ name: string; value: string }>('HttpHeader').implement({
  description: 'A header to send along.',
  fields: (t) => ({ name: t.exposeString('name', { description: 'Its name.' }), value: t.exposeString('value', { description: 'Its value.' }) }),
});

mutation('requestUpload', {
  description: `Reserves a slot; the bytes go by HTTP PUT to \`uploadUrl\`, never through GraphQL. Then \`completeUpload\`, and then the file can be used: in a message, or
as a picture. What is not used is removed after a day.`,
  errors: ['VALIDATION_FAILED', 'QUOTA_EXCEEDED', 'RATE_LIMITED'],
  input: (t) => ({
    fileName: t.string({ required: true, description: 'A name to show and to save it under, 1 to 255 characters. Folders and invisible characters are taken out of it.' }),
    contentType: t.string({ required: true, description: 'What the file is, such as image/png. Kept only where its bytes do not tell, and for harmless kinds of text.' }),
    size: t.int({ required: true, extensions: { saturates: true }, description: 'Its bytes; no more and no fewer are taken. At most `serverInfo.limits.maxAttachmentBytes`.' }),
    sha256: t.string({ description: 'Its SHA-256, hexadecimal or in base64: other bytes are refused.' }),
  }),
  resolve: async (viewer, input, context) => {
    const { attachment, path, expiresAt } = await context.app.uploads.reserve(viewer, { ...input, sha256: input.sha256 ?? null });
    return { attachment, uploadUrl: context.client.baseUrl + path, expiresAt };
  },
  payload: (t) => ({
    attachmentId: t.id({ description: 'The id of the file to be.', resolve: ({ attachment }) => toGlobalId('Attachment', attachment.id) }),
    uploadUrl: t.expose('uploadUrl', { type: 'URL', description: 'Where the bytes go, as they are. Needs no token: who has it can upload. Again is fine until `completeUpload`.' }),
    method: t.string({ description: 'PUT.', resolve: () => 'PUT' }),
    headers: t.field({
      type: [HttpHeader],
      complexity: { field: 1, multiplier: 1 },
      description: 'Headers to send with the bytes.',
      resolve: ({ attachment }) => [{ name: 'Content-Type', value: attachment.contentType }],
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when an upload can begin.' }),
  }),
});

function parseAttachmentId(id: string): AttachmentId {
  const number = numberOf(id, 'Attachment');
  if (number === null) throw notFound('Attachment');
  return number;
}

mutation('completeUpload', {
  description: 'Says that the bytes are there. The server looks at them: what the file is, and whether it is a picture. Sending it again does no harm.',
  errors: ['NOT_FOUND', 'VALIDATION_FAILED'],
  input: (t) => ({ attachmentId: t.id({ required: true, description: 'The upload, by the account that requested it.' }) }),
  resolve: async (viewer, input, context) => ({ attachment: await context.app.uploads.complete(viewer, parseAttachmentId(input.attachmentId)) }),
  payload: (t) => ({ attachment: t.field({ type: Attachment, description: 'The file, ready to be used.', resolve: ({ attachment }) => attachment }) }),
});

mutation('setProfilePicture', {
  description: "Shows a picture beside the caller's name. The one before is removed.",
  errors: ['NOT_FOUND', 'VALIDATION_FAILED', 'RATE_LIMITED'],
  input: (t) => ({ attachmentId: t.id({ description: 'A completed image upload of the caller, in no message and not a picture yet; null removes the picture.' }) }),
  resolve: async (viewer, input, context) => ({
    me: await context.app.files.setProfilePicture(viewer, input.attachmentId == null ? null : parseAttachmentId(input.attachmentId)),
  }),
  payload: (t) => ({ me: t.field({ type: User, description: 'The account as it is now.', resolve: ({ me }) => me }) }),
});
