/**
 * What a competent developer writes in an afternoon with exactly this stack: Yoga, Pothos, Prisma and graphql-ws, a JWT with each request, pub-sub in memory, on
 * the tables of this project. FOLDER, SYNCHRONOUS, SECRET.
 */
import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import SchemaBuilder from '@pothos/core';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import Sqlite from 'better-sqlite3';
import { useServer as serveSocket } from 'graphql-ws/use/ws';
import { createPubSub, createYoga } from 'graphql-yoga';
import { jwtVerify } from 'jose';
import { WebSocketServer } from 'ws';
import type { ChatId, UserId } from '../../src/ids.ts';
import { PrismaClient } from '../../src/storage/generated/sqlite/client.ts';

type Message = { id: bigint; chatId: ChatId; seq: number; senderId: UserId; text: string | null; createdAt: Date };
type User = { id: UserId; username: string; displayName: string };
type Context = { userId: UserId };

const { FOLDER = '.', SYNCHRONOUS = 'FULL', SECRET = '' } = process.env;
const file = join(FOLDER, 'ordinary.db');
const secret = new TextEncoder().encode(SECRET);

const setUp = new Sqlite(file);
setUp.pragma('journal_mode = WAL');
for (const migration of globSync('prisma/migrations/sqlite/*/migration.sql').sort()) setUp.exec(readFileSync(migration, 'utf8'));
setUp.close();

const adapter = new PrismaBetterSqlite3({ url: `file:${file}` }, { timestampFormat: 'unixepoch-ms' });
const prisma = new PrismaClient({ adapter });
await prisma.$queryRawUnsafe(`PRAGMA synchronous = ${SYNCHRONOUS}`);
const pubsub = createPubSub<{ message: [chatId: string, message: Message] }>();
let lastId = (await prisma.message.findFirst({ orderBy: { id: 'desc' } }))?.id ?? 0n;

const builder = new SchemaBuilder<{ Context: Context; Objects: { User: User; Message: Message; Chat: { id: ChatId } } }>({});
builder.objectType('User', {
  fields: (t) => ({ id: t.exposeID('id'), username: t.exposeString('username'), displayName: t.exposeString('displayName') }),
});
builder.objectType('Message', {
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => String(id) }),
    seq: t.exposeInt('seq'),
    text: t.exposeString('text', { nullable: true }),
    createdAt: t.string({ resolve: ({ createdAt }) => createdAt.toISOString() }),
    sender: t.field({ type: 'User', resolve: ({ senderId }) => prisma.user.findUniqueOrThrow({ where: { id: senderId } }) }),
    chat: t.field({ type: 'Chat', resolve: ({ chatId }) => ({ id: chatId }) }),
  }),
});
builder.objectType('Chat', {
  fields: (t) => ({
    id: t.exposeID('id'),
    unreadCount: t.int({
      resolve: async ({ id }, _args, { userId }) => {
        const { readSeq } = await prisma.member.findUniqueOrThrow({ where: { chatId_userId: { chatId: id, userId } } });
        return prisma.message.count({ where: { chatId: id, seq: { gt: readSeq }, senderId: { not: userId }, deletedAt: null } });
      },
    }),
    messages: t.field({
      type: ['Message'],
      args: { last: t.arg.int({ required: true }), before: t.arg.int() },
      resolve: ({ id }, { last, before }) => prisma.message.findMany({ where: { chatId: id, seq: { lt: before ?? 2 ** 31 - 1 } }, orderBy: { seq: 'desc' }, take: last }),
    }),
  }),
});
builder.queryType({
  fields: (t) => ({
    chat: t.field({
      type: 'Chat',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_root, { id }, { userId }) => mustBeMember(Number(id) as ChatId, userId).then((chatId) => ({ id: chatId })),
    }),
  }),
});
builder.mutationType({
  fields: (t) => ({
    sendMessage: t.field({
      type: 'Message',
      args: { chat: t.arg.id({ required: true }), text: t.arg.string({ required: true }) },
      async resolve(_root, { chat, text }, { userId }) {
        const chatId = await mustBeMember(Number(chat) as ChatId, userId);
        const message = await prisma.$transaction(async (tx) => {
          const { lastSeq } = await tx.chat.update({ where: { id: chatId }, data: { lastSeq: { increment: 1 }, lastActivityAt: new Date() } });
          return tx.message.create({ data: { id: ++lastId, chatId, seq: lastSeq, senderId: userId, text, createdAt: new Date() } });
        });
        pubsub.publish('message', String(chatId), message);
        return message;
      },
    }),
  }),
});
builder.subscriptionType({
  fields: (t) => ({
    messageAdded: t.field({
      type: 'Message',
      args: { chat: t.arg.id({ required: true }) },
      subscribe: async (_root, { chat }, { userId }) => pubsub.subscribe('message', String(await mustBeMember(Number(chat) as ChatId, userId))),
      resolve: (message: Message) => message,
    }),
  }),
});

async function mustBeMember(chatId: ChatId, userId: UserId): Promise<ChatId> {
  await prisma.member.findUniqueOrThrow({ where: { chatId_userId: { chatId, userId } } });
  return chatId;
}

async function contextOf(authorization: unknown): Promise<Context> {
  const { payload } = await jwtVerify(String(authorization).replace('Bearer ', ''), secret);
  const { id } = await prisma.user.findUniqueOrThrow({ where: { id: Number(payload.sub) as UserId } });
  return { userId: id };
}

const schema = builder.toSchema();
const yoga = createYoga({
  schema,
  logging: false,
  context: ({ request }): Promise<Context> | object => (request.headers.has('authorization') ? contextOf(request.headers.get('authorization')) : {}),
});
const server = createServer(yoga);
serveSocket({ schema, context: ({ connectionParams }) => contextOf(connectionParams?.authorization) }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(0, '127.0.0.1', () => console.log(`ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`));
