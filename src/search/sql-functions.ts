/** What SQLite's threads can do with a message where it is: docs/decisions/threads.md. The threads import this module. */
import type { SqlFunctions } from '../storage/connections.ts';
import { holds, type Words } from './query.ts';
import { type Findable, hasLink, termsOfMessage } from './terms.ts';

/** The last that was asked for: one statement asks for the same of many texts. */
let asked: { text: string; words: Words } = { text: '', words: { all: [], none: [] } };

export const functions: SqlFunctions = {
  searchTerms: (text, chatId, senderId, threadRootSeq, files) => termsOfMessage({ text, chatId, senderId, threadRootSeq, files } as Findable),
  /** `withLink`: only of a text with an address. */
  searchHolds: (text, words, withLink) => {
    if (asked.text !== words) asked = { text: words as string, words: JSON.parse(words as string) };
    return holds((text as string | null) ?? '', asked.words) && (!withLink || hasLink((text as string | null) ?? '')) ? 1 : 0;
  },
};

export const functionsModule = import.meta.url;
