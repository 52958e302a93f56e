/** The rows domains pass around, as the database has them, with numbers where the engines give big integers. */
import type { Prisma } from './generated/sqlite/client.ts';

export type UserRow = Prisma.UserGetPayload<object>;
export type SessionRow = Prisma.SessionGetPayload<object>;
export type ChatRow = Prisma.ChatGetPayload<object>;
export type MemberRow = Prisma.MemberGetPayload<object>;
export type MessageRow = Omit<Prisma.MessageGetPayload<object>, 'id'> & { id: number };
