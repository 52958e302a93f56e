/** Coming into rooms and going, and what members may do there, as clients do it. */
import { loadUser, parseUserRef, User, UserRefInput } from '../accounts/schema.ts';
import { notFound } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { toErrorData, UserError } from '../graphql/errors.ts';
import { mutation } from '../graphql/mutation.ts';
import { numberOf, toGlobalId, type UserId } from '../ids.ts';
import type { Membership, Skipped } from './membership.ts';
import { Member, MemberRole, mustBeRoomId, parseChatRef, Room, RoomRefInput, toRoomRef } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    membership: Membership;
  }
}

mutation('joinChat', {
  description: 'Makes the caller a member of a room. What was written before counts as read.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'WRONG_ROOM_PASSWORD', 'ROOM_FULL', 'RATE_LIMITED'],
  input: (t) => ({
    room: t.field({ type: RoomRefInput, required: true, description: 'Which room.' }),
    password: t.string({ description: 'Where `passwordRequired`.' }),
  }),
  resolve: (viewer, input, context) => {
    const ref = toRoomRef(input.room);
    if (!ref) throw notFound('Room');
    return context.app.membership.join(viewer, ref, input.password ?? null);
  },
  payloadDescription: 'The caller is a member.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room, with the caller in it.', resolve: ({ room }) => room }),
    member: t.field({ type: Member, description: 'The caller in this room.', resolve: ({ member }) => member }),
    alreadyMember: t.exposeBoolean('alreadyMember', { description: 'True when the caller was a member before: nothing has changed.' }),
  }),
});

mutation('leaveChat', {
  description: 'Ends the caller’s membership in a room. The last member’s leaving deletes the room; its last owner cannot leave others behind. A dialog cannot be left.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({ chatId: t.id({ required: true, description: 'Which room.' }) }),
  resolve: async (viewer, input, context) => {
    const ref = parseChatRef(input.chatId);
    if (!ref || !('roomId' in ref)) throw notFound('Chat');
    await context.app.membership.leave(viewer, ref.roomId);
    return { chatId: toGlobalId('Room', ref.roomId) };
  },
  payload: (t) => ({ chatId: t.exposeID('chatId', { description: 'The room that was left.' }) }),
});

const SkippedMember = builder.objectRef<Skipped>('SkippedMember').implement({
  description: 'Somebody who was not added.',
  fields: (t) => ({
    user: t.field({
      type: User,
      nullable: true,
      description: 'Who it is; null when the reference names nobody.',
      resolve: ({ userId }, _args, context) => (userId === null ? null : loadUser(context, userId)),
    }),
    error: t.field({ type: UserError, description: 'Why: RoomFullError, or NotFoundError.', resolve: ({ error }, _args, context) => toErrorData(error, context.app.config) }),
  }),
});

mutation('addMembers', {
  description: 'Makes people members, in the order given, until the room is full; being added lifts a ban. Takes an admin or owner.',
  errors: ['VALIDATION_FAILED', 'NOT_FOUND', 'FORBIDDEN', 'ROOM_FULL'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    users: t.field({ type: [UserRefInput], required: true, description: 'Whom to add, up to 1,000.' }),
  }),
  names: ({ users }) => users.length,
  answers: ({ users }) => users.length,
  resolve: (viewer, input, context) =>
    context.app.membership.add(
      viewer,
      mustBeRoomId(input.roomId),
      input.users.map((ref) => parseUserRef(ref, context)),
    ),
  payloadDescription: 'Everybody named is in `added`, in `skipped`, or was a member before.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room with its new members.', resolve: ({ room }) => room }),
    added: t.field({ type: [Member], complexity: { field: 1, multiplier: 1 }, description: 'Who is a member now and was not before.', resolve: ({ added }) => added }),
    skipped: t.field({ type: [SkippedMember], complexity: { field: 1, multiplier: 1 }, description: 'Who could not be added.', resolve: ({ skipped }) => skipped }),
  }),
});

mutation('removeMember', {
  description: 'Ends somebody’s membership. Admins remove members, owners anybody; the last owner cannot be removed.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    userId: t.id({ required: true, description: 'Whom to remove.' }),
    ban: t.boolean({
      defaultValue: false,
      description: 'Keep the user from joining again; being added by an owner or admin lifts it. Also works for somebody who is not a member.',
    }),
  }),
  resolve: async (viewer, input, context) => {
    const userId = numberOf(input.userId, 'User');
    const room = await context.app.membership.remove(viewer, mustBeRoomId(input.roomId), userId, input.ban ?? false);
    return { room, userId: toGlobalId('User', userId as UserId) };
  },
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room without the user.', resolve: ({ room }) => room }),
    userId: t.exposeID('userId', { description: 'Who was removed.' }),
  }),
});

mutation('setMemberRole', {
  description: 'Gives a member another role. Takes an owner; the last owner stays one.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    userId: t.id({ required: true, description: 'Whose role.' }),
    role: t.field({ type: MemberRole, required: true, description: 'The new one.' }),
  }),
  resolve: async (viewer, input, context) => ({ member: await context.app.membership.setRole(viewer, mustBeRoomId(input.roomId), numberOf(input.userId, 'User'), input.role) }),
  payload: (t) => ({ member: t.field({ type: Member, description: 'The member with its role.', resolve: ({ member }) => member }) }),
});
