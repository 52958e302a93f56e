/** All that a message is found by in the index: the terms of its text, and what it is beside that. None of the latter can be a word: they are characters for private use. */
import type { ChatId, UserId } from '../ids.ts';
import { type LookUp, termsOf } from './analyser.ts';

/** What a message can hold besides words. */
export type Content = 'ATTACHMENT' | 'IMAGE' | 'LINK';
/** Whether it has files, and pictures among them. */
export type FilesOf = 0 | 1 | 2;

const contents: Record<Content, string> = { ATTACHMENT: '\ue000', IMAGE: '\ue001', LINK: '\ue002' };
/** The first of the characters that numbers of each kind are written in, and how many there are. */
const chats = { zero: 0xf0000, base: 0x8000 };
const senders = { zero: 0x100000, base: 0x8000 };
const threads = { zero: 0xe100, base: 0x1000 };

/** A number in as few characters as can be: a short term has no beginnings that would need room in the index. */
function inDigits(number: number, { zero, base }: typeof chats): string {
  let text = '';
  for (let left = number; text === '' || left > 0; left = Math.floor(left / base)) text = String.fromCodePoint(zero + (left % base)) + text;
  return text;
}

export const ofChat = (chatId: ChatId): LookUp => ({ term: inDigits(chatId, chats), isPrefix: false });
export const ofSender = (userId: UserId): LookUp => ({ term: inDigits(userId, senders), isPrefix: false });
/** Beside its chat. */
export const ofThread = (rootSeq: number): LookUp => ({ term: inDigits(rootSeq, threads), isPrefix: false });
export const ofContent = (content: Content): LookUp => ({ term: contents[content], isPrefix: false });

/** An http(s) address. */
export const hasLink = (text: string): boolean => /\bhttps?:\/\/[^\s/]/i.test(text);

/** What the terms of a message are made of. */
export type Findable = { text: string | null; chatId: ChatId; senderId: UserId; threadRootSeq: number | null; files: FilesOf };

/** The terms of a message, with spaces between them. */
export function termsOfMessage({ text, chatId, senderId, threadRootSeq, files }: Findable): string {
  const terms = [...termsOf(text ?? ''), ofChat(chatId).term, ofSender(senderId).term];
  if (threadRootSeq !== null) terms.push(ofThread(threadRootSeq).term);
  if (files >= 1) terms.push(contents.ATTACHMENT);
  if (files === 2) terms.push(contents.IMAGE);
  if (text !== null && hasLink(text)) terms.push(contents.LINK);
  return terms.join(' ');
}
