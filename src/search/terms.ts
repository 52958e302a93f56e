/** All that a message is found by in the index: the terms of its text, and what it is beside that. None of the latter can be a word: they are characters for private use. */
import type { ChatId, UserId } from '../ids.ts';
import { type LookUp, termsOf } from './analyser.ts';

/** What a message can hold besides words. */
export type Content = 'ATTACHMENT' | 'IMAGE' | 'LINK';
/** Whether it has files, and pictures among them. */
export type FilesOf = 0 | 1 | 2;

const contents: Record<Content, string> = { ATTACHMENT: '\ue000', IMAGE: '\ue001', LINK: '\ue002' };
const chatDigits = 0xf0000;
const senderDigits = 0x100000;
const base = 0x8000;

/** A number in as few characters as can be: a short term has no beginnings that would need room in the index. */
function inDigits(number: number, zero: number): string {
  let text = '';
  for (let left = number; text === '' || left > 0; left = Math.floor(left / base)) text = String.fromCodePoint(zero + (left % base)) + text;
  return text;
}

export const ofChat = (chatId: ChatId): LookUp => ({ term: inDigits(chatId, chatDigits), isPrefix: false });
export const ofSender = (userId: UserId): LookUp => ({ term: inDigits(userId, senderDigits), isPrefix: false });
export const ofContent = (content: Content): LookUp => ({ term: contents[content], isPrefix: false });

/** An http(s) address. */
export const hasLink = (text: string): boolean => /\bhttps?:\/\/[^\s/]/i.test(text);

/** The terms of a message, with spaces between them. */
export function termsOfMessage({ text, chatId, senderId, files }: { text: string | null; chatId: ChatId; senderId: UserId; files: FilesOf }): string {
  const terms = [...termsOf(text ?? ''), ofChat(chatId).term, ofSender(senderId).term];
  if (files >= 1) terms.push(contents.ATTACHMENT);
  if (files === 2) terms.push(contents.IMAGE);
  if (text !== null && hasLink(text)) terms.push(contents.LINK);
  return terms.join(' ');
}
