/** Messages that are looked for, until there are enough of them, and what to show of each: safe HTML, with what was found marked. */
import type { FindMessagesQuery, MessageSearchInput } from '../../test/generated/graphql.ts';
import type { Plain } from './plain.ts';

const searchDocument = /* GraphQL */ `
  query FindMessages($words: String, $filter: MessageSearchInput, $after: String) {
    searchMessages(query: $words, filter: $filter, first: 20, after: $after) {
      indexComplete
      searchedBackTo
      edges { snippet { text hit } node { id seq createdAt chat { id name } sender { displayName } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export type Found = { id: string; chatId: string; seq: number; html: string };

/** `after` goes on behind an earlier answer: null when there is no more. */
export async function find({ ask }: Pick<Plain, 'ask'>, words: string, filter: MessageSearchInput | null = null, after: string | null = null) {
  const found: Found[] = [];
  for (;;) {
    const { searchMessages: page } = await ask<FindMessagesQuery>(searchDocument, { words, filter, after });
    if (!page) throw new Error('No answer');
    for (const { node, snippet } of page.edges) found.push({ id: node.id, chatId: node.chat.id, seq: node.seq, html: snippet.map(toHtml).join('') });
    after = page.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null;
    // A page may be short, or empty, and there is still more behind it: `searchedBackTo` says how far it has looked.
    if (found.length >= 20 || after === null) return { found, after, searchedBackTo: page.searchedBackTo, complete: page.indexComplete };
  }
}

const toHtml = ({ text, hit }: { text: string; hit: boolean }): string => {
  const safe = text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return hit ? `<mark>${safe}</mark>` : safe;
};
