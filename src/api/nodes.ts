/** Look-ups by global id: `node` and `nodes`. Null for what is absent or hidden, also for ids that are garbage. */
import { brandWithType } from '@pothos/core';
import { loadUser } from '../accounts/schema.ts';
import type { ChatRef } from '../chats/chats.ts';
import { parseChatRef, parseMemberRef } from '../chats/schema.ts';
import { AppError } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn } from '../graphql/context.ts';
import { maxPageSize } from '../graphql/pages.ts';
import { type AttachmentId, type MessageId, type NumberOf, numberOf, type PushDeviceId, parseGlobalId, type SessionId } from '../ids.ts';
import { loadThreadByRoot } from '../messages/threads-schema.ts';
import { findNotification } from '../notifications/schema.ts';
import type { AttachmentRow, ChatRow, MemberRow, MessageRow, PushDeviceRow, SessionRow, ThreadRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';

/** Chats by their refs, in a constant number of statements for all that are asked for together. */
const findChat = (context: Context, viewer: Viewer, ref: ChatRef): Promise<ChatRow | null> =>
  loader<string, ChatRow>(context, 'chatNodes', (keys) =>
    context.app.chats.findMany(
      viewer,
      keys.map((key) => JSON.parse(key) as ChatRef),
    ),
  ).load(JSON.stringify(ref));

const findMessage = (context: Context, viewer: Viewer, id: MessageId): Promise<MessageRow | null> =>
  loader<MessageId, MessageRow>(context, 'messageNodes', (ids) => context.app.messages.findMany(viewer, ids)).load(id);

/** Of a message that the viewer may read. */
const findThread = async (context: Context, viewer: Viewer, rootId: MessageId): Promise<ThreadRow | null> =>
  (await findMessage(context, viewer, rootId)) && loadThreadByRoot(context, rootId);

const findMember = (context: Context, viewer: Viewer, id: string): Promise<MemberRow | null> =>
  loader<string, MemberRow>(context, 'memberNodes', (ids) => context.app.chats.findMemberships(viewer, ids.map(parseMemberRef))).load(id);

const findAttachment = (context: Context, viewer: Viewer, id: AttachmentId): Promise<AttachmentRow | null> =>
  loader<AttachmentId, AttachmentRow>(context, 'attachmentNodes', (ids) => context.app.files.findMany(viewer, ids)).load(id);

const findSession = (context: Context, viewer: Viewer, id: SessionId): Promise<SessionRow | null> =>
  loader<SessionId, SessionRow>(context, 'sessionNodes', (ids) => context.app.sessions.findMany(viewer, ids)).load(id);

const findPushDevice = (context: Context, viewer: Viewer, id: PushDeviceId): Promise<PushDeviceRow | null> =>
  loader<PushDeviceId, PushDeviceRow>(context, 'pushDeviceNodes', (ids) => context.app.pushDevices.findMany(viewer, ids)).load(id);

type Finder = (context: Context, viewer: Viewer, id: string) => Promise<object | null> | null;

/** Of a type whose ids hold a number. */
const byNumber =
  <Type extends keyof NumberOf>(type: Type, find: (context: Context, viewer: Viewer, key: NumberOf[Type]) => Promise<object | null>): Finder =>
  (context, viewer, id) => {
    const key = numberOf(id, type);
    return key === null ? null : find(context, viewer, key);
  };

/** How each type of node is found by its id, as the viewer may see it. */
const finders: Record<string, Finder> = {
  User: byNumber('User', (context, _viewer, key) => loadUser(context, key)),
  Room: findChatById,
  Dialog: findChatById,
  Message: byNumber('Message', findMessage),
  Thread: byNumber('Thread', findThread),
  Member: findMember,
  Notification: byNumber('Notification', findNotification),
  PushDevice: byNumber('PushDevice', findPushDevice),
  Attachment: byNumber('Attachment', findAttachment),
  Session: byNumber('Session', findSession),
};

function findChatById(context: Context, viewer: Viewer, id: string): Promise<ChatRow | null> | null {
  const ref = parseChatRef(id);
  return ref && findChat(context, viewer, ref);
}

async function findNode(context: Context, viewer: Viewer, id: string): Promise<object | null> {
  const type = parseGlobalId(id)?.type ?? '';
  const found = Object.hasOwn(finders, type) ? await finders[type]?.(context, viewer, id) : null;
  if (!found) return null;
  // Rows are shared by loaders: the brand goes on a copy.
  const node = { ...found };
  // Every type that has a finder is in the schema; its name is enough, where Pothos asks for a type it knows at compile time.
  brandWithType(node, type as never);
  return node;
}

builder.queryFields((t) => ({
  node: t.field({
    type: Node,
    nullable: true,
    description: 'Anything by its id. Null for what is absent or hidden.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_root, { id }, context) => findNode(context, mustBeSignedIn(context), id),
  }),
  nodes: t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description: 'Many at once, in the order of the ids; null in the place of what is absent or hidden. At most 100.',
    args: { ids: t.arg.idList({ required: true, description: 'Their ids.' }) },
    complexity: (args) => ({ field: 1, multiplier: Math.max(1, Math.min(maxPageSize, args.ids.length)) }),
    resolve: (_root, { ids }, context) => {
      const viewer = mustBeSignedIn(context);
      if (ids.length > maxPageSize) throw new AppError('BAD_REQUEST', undefined, `At most ${maxPageSize} ids at once.`);
      return Promise.all(ids.map((id) => findNode(context, viewer, id)));
    },
  }),
}));
