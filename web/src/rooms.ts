/** What the viewer does to rooms and to who is in them. Each answers a failure, or null when it is done; what it changed is shown at once. */
import { ask } from './ask.ts';
import type {
  AddMembersMutation,
  AddMembersMutationVariables,
  CreateRoomMutation,
  CreateRoomMutationVariables,
  DeleteRoomMutation,
  DeleteRoomMutationVariables,
  JoinRoomMutation,
  JoinRoomMutationVariables,
  LeaveRoomMutation,
  LeaveRoomMutationVariables,
  RemoveMemberMutation,
  RemoveMemberMutationVariables,
  SetRoleMutation,
  SetRoleMutationVariables,
  UpdateRoomMutation,
  UpdateRoomMutationVariables,
} from './generated/graphql.ts';
import { operation } from './operation.ts';
import type { ChatNode } from './state/merge.ts';
import type { State } from './state/state.ts';
import type { ErrorCode, Failure } from './state/types.ts';
import { readInto, takeChats } from './store.ts';
import { isFailure } from './texts/errors.ts';

const joinDocument = operation<JoinRoomMutation, JoinRoomMutationVariables>(/* GraphQL */ `
  mutation JoinRoom($id: ID!, $password: String) {
    joinChat(input: { room: { id: $id }, password: $password }) { __typename ... on JoinChatPayload { room { ...ChatFields } } ...Failure }
  }
`);
const createDocument = operation<CreateRoomMutation, CreateRoomMutationVariables>(/* GraphQL */ `
  mutation CreateRoom($input: CreateRoomInput!) {
    createRoom(input: $input) { __typename ... on CreateRoomPayload { room { ...ChatFields } } ...Failure }
  }
`);
const updateDocument = operation<UpdateRoomMutation, UpdateRoomMutationVariables>(/* GraphQL */ `
  mutation UpdateRoom($input: UpdateRoomInput!) {
    updateRoom(input: $input) { __typename ... on UpdateRoomPayload { room { ...ChatFields } } ...Failure }
  }
`);
const deleteDocument = operation<DeleteRoomMutation, DeleteRoomMutationVariables>(/* GraphQL */ `
  mutation DeleteRoom($id: ID!) { deleteRoom(input: { roomId: $id }) { __typename ...Failure } }
`);
const leaveDocument = operation<LeaveRoomMutation, LeaveRoomMutationVariables>(/* GraphQL */ `
  mutation LeaveRoom($id: ID!) { leaveChat(input: { chatId: $id }) { __typename ...Failure } }
`);
const addDocument = operation<AddMembersMutation, AddMembersMutationVariables>(/* GraphQL */ `
  mutation AddMembers($id: ID!, $users: [UserRefInput!]!) {
    addMembers(input: { roomId: $id, users: $users }) {
      __typename
      ... on AddMembersPayload { room { ...ChatFields } added { user { id } } skipped { user { id displayName } error { ...Failure } } }
      ...Failure
    }
  }
`);
const removeDocument = operation<RemoveMemberMutation, RemoveMemberMutationVariables>(/* GraphQL */ `
  mutation RemoveMember($id: ID!, $userId: ID!, $ban: Boolean!) {
    removeMember(input: { roomId: $id, userId: $userId, ban: $ban }) { __typename ... on RemoveMemberPayload { room { ...ChatFields } } ...Failure }
  }
`);
const roleDocument = operation<SetRoleMutation, SetRoleMutationVariables>(/* GraphQL */ `
  mutation SetRole($id: ID!, $userId: ID!, $role: MemberRole!) { setMemberRole(input: { roomId: $id, userId: $userId, role: $role }) { __typename ...Failure } }
`);

export type NewRoom = CreateRoomMutationVariables['input'];
export type RoomChanges = UpdateRoomMutationVariables['input'];
export type Role = SetRoleMutationVariables['role'];
export type Added = Extract<NonNullable<AddMembersMutation['addMembers']>, { __typename: 'AddMembersPayload' }>;

export async function joinRoom(id: string, password: string | null): Promise<Failure | null> {
  const { joinChat: result } = await readInto(
    () => ask(joinDocument, { id, password }),
    (before, { joinChat }) => (joinChat && 'room' in joinChat ? take(unlooked(before, id), joinChat.room) : before),
  );
  return failureOf(result);
}

/** Answers the id of the room. */
export async function createRoom(input: NewRoom): Promise<Failure | string> {
  const { createRoom: result } = await readInto(
    () => ask(createDocument, { input }),
    (before, { createRoom: made }) => (made && 'room' in made ? take(before, made.room) : before),
  );
  return result && 'room' in result ? result.room.id : (failureOf(result) as Failure);
}

export async function updateRoom(input: RoomChanges): Promise<Failure | null> {
  const { updateRoom: result } = await readInto(
    () => ask(updateDocument, { input }),
    (before, { updateRoom: changed }) => (changed && 'room' in changed ? take(before, changed.room) : before),
  );
  return failureOf(result);
}

export const deleteRoom = async (id: string): Promise<Failure | null> => failureOf((await ask(deleteDocument, { id })).deleteRoom);
export const leaveRoom = async (id: string): Promise<Failure | null> => failureOf((await ask(leaveDocument, { id })).leaveChat);
export const setRole = async (id: string, userId: string, role: Role): Promise<Failure | null> => failureOf((await ask(roleDocument, { id, userId, role })).setMemberRole);

export async function addMembers(id: string, userIds: readonly string[]): Promise<Failure | Added> {
  const { addMembers: result } = await readInto(
    () => ask(addDocument, { id, users: userIds.map((userId) => ({ id: userId })) }),
    (before, { addMembers: done }) => (done && 'room' in done ? take(before, done.room) : before),
  );
  return result && 'room' in result ? result : (failureOf(result) as Failure);
}

export async function removeMember(id: string, userId: string, ban: boolean): Promise<Failure | null> {
  const { removeMember: result } = await readInto(
    () => ask(removeDocument, { id, userId, ban }),
    (before, { removeMember: done }) => (done && 'room' in done ? take(before, done.room) : before),
  );
  return failureOf(result);
}

const take = (before: State, node: ChatNode): State => takeChats(before, [node]);

/** What was looked at from outside was not followed: it is read anew. */
function unlooked(before: State, id: string): State {
  if (before.chats.get(id)?.my !== null) return before;
  const chats = new Map(before.chats);
  chats.delete(id);
  return { ...before, chats };
}

function failureOf(result: { __typename: string } | null): Failure | null {
  if (!result) throw new Error('No answer');
  return isFailure(result as { __typename: string; code?: ErrorCode }) ? (result as Failure) : null;
}
