/** Making, changing and deleting rooms as clients do it. */
import { parseUserRef, UserRefInput } from '../accounts/schema.ts';
import { mutation } from '../graphql/mutation.ts';
import { type AttachmentId, noAttachment, numberOf, toGlobalId } from '../ids.ts';
import { firstRights } from './access.ts';
import { mostNamed } from './membership.ts';
import type { Rooms } from './rooms.ts';
import { mustBeRoomId, PostPolicy, Room, RoomRight, RoomVisibility } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    rooms: Rooms;
  }
}

mutation('createRoom', {
  description: 'Makes a room; the caller becomes its owner.',
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'NOT_FOUND', 'FORBIDDEN', 'RATE_LIMITED'],
  inputDescription: 'The settings of the new room, and who is in it from the start.',
  input: (t) => ({
    name: t.string({ required: true, description: '1 to 80 characters.' }),
    topic: t.string({ description: 'Up to 500 characters.' }),
    visibility: t.field({ type: RoomVisibility, required: true, defaultValue: 'PUBLIC', description: 'Who knows that it exists.' }),
    postPolicy: t.field({ type: PostPolicy, required: true, defaultValue: 'MEMBERS', description: 'Who may write in it. ANYONE takes a public room without password.' }),
    pinPolicy: t.field({ type: RoomRight, defaultValue: firstRights.pinPolicy, description: 'Who may pin messages.' }),
    mentionAllPolicy: t.field({ type: RoomRight, defaultValue: firstRights.mentionAllPolicy, description: 'Who may call everybody.' }),
    everyone: t.boolean({
      defaultValue: false,
      description:
        'Make every account a member, present and future. Takes a public room without capacity and password; where there are very many accounts, the last come in moments after the answer. The operator may reserve it (FORBIDDEN, NOT_AN_OPERATOR).',
    }),
    members: t.field({ type: [UserRefInput], description: 'First members besides the creator, up to 1,000. Somebody who does not exist: NotFoundError, and no room.' }),
    capacity: t.int({ description: 'Most members, from 1 to 1,000,000; the owner counts. Must hold the first members.' }),
    link: t.string({ description: 'Short name of 3 to 64 letters, digits and `-_.~`, or an http(s) URL of up to 300 characters. No two rooms have the same, whatever the case.' }),
    password: t.string({ description: '1 to 128 characters that one must know to join.' }),
    avatarAttachmentId: t.id({ description: 'Its picture: a completed image upload of the caller, in no message and not a picture yet.' }),
    clientRequestId: t.string({ description: 'Makes a retry safe: the same id by the same user returns the room already made. 1 to 128 printable ASCII characters.' }),
  }),
  names: ({ members, everyone }) => (everyone ? mostNamed : (members?.length ?? 0)),
  resolve: (viewer, input, context) => {
    const avatarAttachmentId = toAttachmentId(input.avatarAttachmentId) ?? null;
    const members = input.members?.map((ref) => parseUserRef(ref, context)) ?? null;
    return context.app.rooms.create(viewer, {
      ...input,
      avatarAttachmentId,
      pinPolicy: input.pinPolicy ?? firstRights.pinPolicy,
      mentionAllPolicy: input.mentionAllPolicy ?? firstRights.mentionAllPolicy,
      everyone: input.everyone ?? false,
      members,
    });
  },
  payloadDescription: 'The room is there.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The new room, or the first one of this request id.', resolve: ({ room }) => room }),
    duplicate: t.exposeBoolean('duplicate', { description: 'True when this request id had made the room before: nothing new was made.' }),
  }),
});

mutation('updateRoom', {
  description: 'Changes settings of a room. Takes an admin or owner.',
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'NOT_FOUND', 'FORBIDDEN', 'RATE_LIMITED'],
  inputDescription: 'Only the fields present are changed; null clears.',
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    name: t.string({ description: '1 to 80 characters. Cannot be null.' }),
    topic: t.string({ description: 'Up to 500 characters.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Who knows that it exists. Cannot be null.' }),
    postPolicy: t.field({ type: PostPolicy, description: 'Who may write in it. Cannot be null.' }),
    pinPolicy: t.field({ type: RoomRight, description: 'Who may pin messages. Cannot be null.' }),
    mentionAllPolicy: t.field({ type: RoomRight, description: 'Who may call everybody. Cannot be null.' }),
    everyone: t.boolean({
      description:
        'True makes every account a member and lifts all bans, where there are very many the last ones moments after the answer; false lets members leave again. Cannot be null.',
    }),
    capacity: t.int({ description: 'Most members; not below the number there are.' }),
    link: t.string({ description: 'Short name or http(s) URL.' }),
    password: t.string({ description: 'What one must know to join from now on; members stay.' }),
    avatarAttachmentId: t.id({ description: 'Its picture: a completed image upload of the caller, in no message and not a picture yet; null removes the picture.' }),
  }),
  names: ({ everyone }) => (everyone ? mostNamed : 0),
  resolve: async (viewer, { roomId, avatarAttachmentId, ...changes }, context) => {
    const id = mustBeRoomId(roomId);
    return { room: await context.app.rooms.update(viewer, id, { ...changes, avatarAttachmentId: toAttachmentId(avatarAttachmentId) }) };
  },
  payload: (t) => ({ room: t.field({ type: Room, description: 'The room as it is now.', resolve: ({ room }) => room }) }),
});

mutation('deleteRoom', {
  description: 'Ends a room for everybody, with all its messages. Takes an owner.',
  errors: ['NOT_FOUND', 'FORBIDDEN'],
  input: (t) => ({ roomId: t.id({ required: true, description: 'Which room.' }) }),
  resolve: async (viewer, input, context) => {
    const roomId = mustBeRoomId(input.roomId);
    await context.app.rooms.remove(viewer, roomId);
    return { roomId: toGlobalId('Room', roomId) };
  },
  payload: (t) => ({ roomId: t.exposeID('roomId', { description: 'The id that names nothing any more.' }) }),
});

/** Absent and null stay what they are; an id that is none names no attachment. */
const toAttachmentId = (id: string | null | undefined): AttachmentId | null | undefined => (id == null ? id : (numberOf(id, 'Attachment') ?? noAttachment));
